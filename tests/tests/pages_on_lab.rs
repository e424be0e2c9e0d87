//! The pages of `serve` over a run on a lab: what they show, how they change by themselves, and a hold that is decided by a form.
//! The last test looks at them in a real browser.
#![cfg(test)]

use orchestrate_tests::cli::{Background, Sandbox, repository};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const SPEED: &str = "30";
const PATIENCE: Duration = Duration::from_secs(300);

/// A served folder with a plan in it that waits for approval, and a run of another plan on a lab, begun by hand.
struct Site {
    sandbox: Sandbox,
    address: String,
    run: String,
    /// Serves as long as the test goes on.
    _served: Background,
}

impl Site {
    /// A run whose first server has two sessions that never end.
    fn new() -> Self {
        let sandbox = Sandbox::default();
        let changes =
            [("deadline: 30m, at_deadline: hold", "deadline: 3m, at_deadline: ask"), ("soak: 2m", "soak: 1m")];
        let changes = [changes.as_slice(), &[("name: first pool", NAME)]].concat();
        let endless = ("seed: 7", "servers: {fe1.first.example: {endless: {RTCSRV: 2}}}\nseed: 7");
        let plan = sandbox.first_pool(&changes, &[endless]);
        let plans = sandbox.path().join("plans");
        std::fs::create_dir(&plans).unwrap();
        let contoso = std::fs::read_to_string(repository().join("plans/contoso-front-end.yaml")).unwrap();
        std::fs::write(plans.join("contoso.yaml"), &contoso).unwrap();
        std::fs::write(plans.join("broken.yaml"), contoso.replace("soak:", "sok<script>:")).unwrap();
        let said = sandbox.run(&[&plan, "--lab", "--lab-speed", SPEED, "--yes", "--detach"]);
        assert_eq!(said.code, Some(0), "{}\n{}", said.out, said.err);
        let run = sandbox.wait_for_record("run_started");
        let token = sandbox.path().join("token");
        orchestrate_files::replace(&token, SECRET.as_bytes()).unwrap();
        let (plans, token) = (plans.to_str().unwrap(), token.to_str().unwrap());
        let mut served = sandbox.start(&["serve", plans, "--lab", "--listen", "127.0.0.1:0", "--token-file", token]);
        served.wait_for_output("answers HTTP at http://127.0.0.1:");
        let port: String = served.rest_of_line().chars().take_while(char::is_ascii_digit).collect();
        Self { sandbox, address: format!("127.0.0.1:{port}"), run, _served: served }
    }

    fn send(&self, method: &str, path: &str, (cookie, body): (&str, &str)) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let (address, length) = (&self.address, body.len());
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\nContent-Length: {length}\r\n");
        stream.write_all(format!("{head}\r\n{body}").as_bytes()).unwrap();
        stream
    }

    /// Asks, and returns the status, the head and the body.
    fn ask(&self, method: &str, path: &str, sent: (&str, &str)) -> (u16, String, String) {
        let mut text = String::new();
        self.send(method, path, sent).read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_owned(), body.to_owned())
    }

    fn page(&self, path: &str) -> String {
        let (status, _, body) = self.ask("GET", path, ("", ""));
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    fn wait_for_page(&self, path: &str, words: &str) -> String {
        let began = Instant::now();
        loop {
            let page = self.page(path);
            if page.contains(words) {
                return page;
            }
            assert!(began.elapsed() < PATIENCE, "{words} is not on {path}: {page}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

/// The name of the plan, which gets out of no page.
const NAME: &str = r#"name: "first pool <script>alert(1)</script> & \"CU\"""#;

/// What a form of a page sends besides what a person types.
fn hidden(page: &str, name: &str) -> String {
    let field = format!("type=\"hidden\" name=\"{name}\" value=\"");
    let form = page.split("<form method=\"post\" action=\"/runs/").nth(1).unwrap();
    form.split(&field).nth(1).unwrap().split('"').next().unwrap().replace("&#x2f;", "/")
}

#[test]
fn p4_p10_a_hold_is_decided_by_a_form_with_a_name_and_a_typed_count_and_pages_follow_the_run() {
    let site = Site::new();
    let run = format!("/runs/{}", site.run);
    let list = site.wait_for_page("/", "contoso.yaml");
    assert!(list.contains(&format!("href=\"{run}\"")) && list.contains("needs a person"), "{list}");
    assert!(!list.contains("<script>alert") && !site.page(&run).contains("<script>alert"));
    let windows = site.page("/windows");
    assert!(windows.contains("Windows and freezes") && windows.contains("pool01"), "{windows}");

    // The events of the run, as a browser reads them, until it is held.
    let events = BufReader::new(site.send("GET", &format!("{run}/events"), ("", "")));
    let began = Instant::now();
    let mut held = false;
    let mut pieces = 0;
    for line in events.lines() {
        let line = line.unwrap();
        assert!(began.elapsed() < PATIENCE, "no hold is told of");
        let Some(data) = line.find("data: [").map(|at| &line[at + 6..]) else { continue };
        let told: serde_json::Value = serde_json::from_str(data).unwrap();
        pieces += told.as_array().unwrap().len();
        let holds = told.as_array().unwrap().iter().find(|piece| piece["id"] == "holds");
        held = holds.is_some_and(|piece| piece["html"].as_str().unwrap().contains("choice-0-cut"));
        if held {
            break;
        }
    }
    let rounds = began.elapsed().as_millis() / 200 + 2;
    assert!(held && (pieces as u128) < rounds * 10, "{pieces} pieces in {rounds} rounds");

    // The hold is told of as soon as it is recorded; how many sessions are left is what the next look says.
    let page = site.wait_for_page(&run, "cut 2 sessions");
    assert!(page.contains("HELD: fe1 is waiting for a decision"), "{page}");
    let confirm = format!("{run}/decide?server=fe1.first.example&choice=cut");
    let (status, head, _) = site.ask("GET", &confirm, ("", ""));
    assert!(status == 303 && head.contains("location: /sign-in?next="), "{head}");
    let (status, _, wrong) = site.ask("POST", "/sign-in", ("", "name=ann&token=no"));
    assert!(status == 403 && wrong.contains("the token is another one"), "{wrong}");
    let (status, head, _) = site.ask("POST", "/sign-in", ("", &format!("name=Ann+B.&token={SECRET}")));
    assert!(status == 303 && head.contains("HttpOnly; SameSite=Strict"), "{head}");
    let cookie = head.split("set-cookie: ").nth(1).unwrap().split(';').next().unwrap().to_owned();

    let (status, _, form) = site.ask("GET", &confirm, (&cookie, ""));
    assert!(status == 200 && form.contains("This cuts 2 sessions of fe1"), "{form}");
    let (proof, since) = (hidden(&form, "proof"), hidden(&form, "since"));
    let sent = |more: &str| {
        format!("proof={proof}&server=fe1.first.example&choice=cut&since={since}&why=the+call+is+ours{more}")
    };
    let decide = format!("{run}/decide");
    let (status, _, text) = site.ask("POST", &decide, (&cookie, &sent("&sessions=3")));
    assert!(status == 409 && text.contains("3 sessions of fe1.first.example were to be cut, and 2 are left"), "{text}");
    assert_eq!(site.ask("POST", &decide, ("", &sent("&sessions=2"))).0, 403);
    let stale = sent("&sessions=2").replace(&since, "2026-11-28T00:00:00Z");
    assert_eq!(site.ask("POST", &decide, (&cookie, &stale)).0, 409);
    let (status, head, _) = site.ask("POST", &decide, (&cookie, &sent("&sessions=2")));
    assert!(status == 303 && head.contains(&format!("location: {run}?sent=cut")), "{head}");
    drop(site.sandbox.wait_for_record("sessions_cut"));
    let journal = std::fs::read_to_string(site.sandbox.runs().pop().unwrap().join("journal.jsonl")).unwrap();
    let decided = journal.lines().find(|line| line.contains(r#""kind":"decided""#)).unwrap();
    assert!(decided.contains("Ann B. (over HTTP, ann@") && decided.contains("the call is ours"), "{decided}");
    assert_eq!(journal.matches(r#""kind":"decided""#).count(), 1);

    drop(site.sandbox.wait_for_record("run_ended"));
    let over = site.wait_for_page(&run, "the call is ours");
    assert!(over.contains("Ann B. (over HTTP"), "{over}");
    let file = site.page(&format!("{run}/report.html"));
    let said = site.sandbox.run(&["report", &site.run, "-o", "html"]);
    assert_eq!(said.out.trim(), file.trim(), "the report of the command is the page, frozen");
}

/// Returns the Python that has playwright and axe, and the browser.
fn browser() -> Option<(PathBuf, &'static str)> {
    let own = std::env::var_os("PAGES_PYTHON").map(PathBuf::from);
    let python = own.unwrap_or_else(|| repository().join("target/strangers/bin/python"));
    let with = "import playwright, axe_playwright_python";
    let has = Command::new(&python).args(["-c", with]).output().is_ok_and(|said| said.status.success());
    let found = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
    let chromium = found.into_iter().find(|path| std::path::Path::new(path).is_file());
    match chromium {
        Some(chromium) if has => Some((python, chromium)),
        Some(_) | None => {
            let missing =
                "a browser is missing: Debian's chromium, and playwright with axe-playwright-python in PAGES_PYTHON";
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{missing}");
            println!("skipped: {missing}");
            None
        }
    }
}

#[test]
fn pages_in_a_real_browser_are_whole_by_keyboard_narrow_dark_and_without_a_word_on_the_console() {
    let Some((python, chromium)) = browser() else { return };
    let site = Site::new();
    let pictures = repository().join("target/pages");
    std::fs::create_dir_all(&pictures).unwrap();
    let preview = site.sandbox.run(&["plans/contoso-front-end.yaml", "--dry-run", "--offline", "-o", "html"]);
    let preview = site.sandbox.file("preview.html", &preview.out);
    let said = Command::new(python)
        .arg(repository().join("tests/pages/browser.py"))
        .args([chromium, &format!("http://{}", site.address), &site.run, SECRET])
        .args([&pictures, &preview])
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert!(said.status.success(), "{out}\n{err}");
    println!("{out}\nthe pictures are in {}", pictures.display());
    let journal = std::fs::read_to_string(site.sandbox.runs().pop().unwrap().join("journal.jsonl")).unwrap();
    let decided = journal.lines().find(|line| line.contains(r#""kind":"decided""#)).unwrap();
    assert!(decided.contains("Ann B. (over HTTP, ann@") && decided.contains("by keyboard"), "{decided}");
}
