//! Running the binary as a user would, with a state folder of its own, and making its output comparable.

use crate::schemas;
use crate::signals::{KILLED, signal};
use regex::Regex;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long anything that is waited for may take. Far more than it takes, so that a slow machine does not fail a test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(240);

/// A state folder, and the binary to use it with.
#[derive(Debug)]
pub struct Sandbox {
    folder: TempDir,
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    /// The exit code; none when a signal of Unix ended it.
    pub code: Option<i32>,
    /// What it said on stdout.
    pub out: String,
    /// What it said on stderr.
    pub err: String,
}

impl Said {
    /// Returns whether the command was ended by force.
    #[must_use]
    pub fn was_killed(&self) -> bool {
        self.code == KILLED
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Returns the binary, which cargo builds into the folder above that of the tests. `ORCHESTRATE_PROGRAM` names another one,
/// such as that for another system behind a program that runs it here.
///
/// # Panics
/// When it was not built.
#[must_use]
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("ORCHESTRATE_PROGRAM") {
        return path.into();
    }
    let test = std::env::current_exe().expect("a test knows where it is");
    let name = format!("orchestrate{}", std::env::consts::EXE_SUFFIX);
    let found = test.ancestors().skip(1).map(|folder| folder.join(&name)).find(|path| path.is_file());
    assert!(
        found.is_some(),
        "{name} was not found above {}: run `cargo build -p orchestrate`, or test the whole workspace",
        test.display()
    );
    found.unwrap_or_default()
}

/// Returns how fast the time of labs is to pass in a test. `ORCHESTRATE_LAB_SPEED` says it where programs take longer than
/// they usually do: evidence must be fresh by the time of the lab.
#[must_use]
pub fn lab_speed(usual: &str) -> String {
    std::env::var("ORCHESTRATE_LAB_SPEED").unwrap_or_else(|_| usual.to_owned())
}

/// Returns the top folder of the repository.
#[must_use]
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package lies in the repository").to_owned()
}

impl Default for Sandbox {
    fn default() -> Self {
        Self { folder: TempDir::new().expect("a temporary folder can be made") }
    }
}

impl Sandbox {
    /// Returns the sandbox's folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the state folder.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.path().join("state")
    }

    /// Writes a file into the sandbox and returns its path.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text).expect("a file can be written");
        path
    }

    /// Writes the plan of the first example and its lab scenario into the sandbox, changed as asked, and returns the
    /// plan's path.
    ///
    /// # Panics
    /// When an example lacks what is to be changed.
    #[must_use]
    pub fn first_pool(&self, changes: &[(&str, &str)], scenario: &[(&str, &str)]) -> String {
        let changed = |name: &str, changes: &[(&str, &str)]| {
            let text = std::fs::read_to_string(repository().join("examples").join(name)).expect("the example is there");
            changes.iter().fold(text, |text, (from, to)| {
                assert!(text.contains(from), "the example has no {from}");
                text.replace(from, to)
            })
        };
        let lab = self.file("plan.lab.yaml", &changed("first-pool.lab.yaml", scenario));
        assert!(lab.exists());
        self.file("plan.yaml", &changed("first-pool.yaml", changes)).display().to_string()
    }

    /// Returns the binary with these arguments, working in the top folder of the repository, with no terminal, in UTC,
    /// and with nothing of the tester's environment that it reads.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        let mut before = "";
        for argument in arguments {
            let speed = (before == "--lab-speed"
                && argument.parse::<f64>().is_ok_and(|speed| speed > 1.0 && speed < 1e4))
            .then(|| lab_speed(argument));
            command.arg(speed.as_deref().unwrap_or(argument));
            before = argument;
        }
        command.current_dir(repository()).stdin(Stdio::null());
        for variable in ["ORCHESTRATE_LOG", "NO_COLOR", "CLICOLOR_FORCE", "LOGNAME", "USERNAME", "SHELL", "MSYSTEM"] {
            command.env_remove(variable);
        }
        command.env("ORCHESTRATE_STATE_DIR", self.state()).env("TZ", "UTC").env("USER", "ann");
        command
    }

    /// Runs the binary to its end. What it prints for programs is held against its schema.
    ///
    /// # Panics
    /// When it cannot be started, or prints what its schema does not have.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Said {
        let said = self.command(arguments).output().expect("the binary starts").into();
        schemas::assert_printed(arguments, &said);
        said
    }

    /// Starts the binary in the background. It is killed when the test ends.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(&self, arguments: &[&str]) -> Background {
        let mut command = self.command(arguments);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        Background { child: Some(child) }
    }

    /// Waits until the journal of the only run, or of the newest, holds `text`, and returns the run's id.
    ///
    /// # Panics
    /// When it does not come.
    #[must_use]
    pub fn wait_for_record(&self, text: &str) -> String {
        self.wait_for("journal.jsonl", text)
    }

    /// Waits until the view that the newest run leaves for others holds `text`.
    ///
    /// # Panics
    /// When it does not come.
    pub fn wait_for_view(&self, text: &str) {
        drop(self.wait_for("progress.json", text));
    }

    fn wait_for(&self, file: &str, text: &str) -> String {
        let began = Instant::now();
        loop {
            let newest = self.runs().pop();
            let path = newest.as_ref().map(|run| run.join(file));
            let found = path.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
            if let (true, Some(run)) = (found.contains(text), &newest) {
                return run.file_name().expect("a run has a name").to_string_lossy().into_owned();
            }
            assert!(began.elapsed() < PATIENCE, "{text} did not come; {file} is:\n{found}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Returns the folders of all runs on labs, oldest first.
    #[must_use]
    pub fn runs(&self) -> Vec<PathBuf> {
        let runs = std::fs::read_dir(self.state().join("labs").join("runs"));
        let mut runs: Vec<PathBuf> =
            runs.into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path()).collect();
        runs.sort();
        runs
    }

    /// Returns the directory file of the only lab.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn lab_file(&self) -> PathBuf {
        let files = std::fs::read_dir(self.state().join("labs"));
        let mut paths = files.into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
        paths.find(|path| path.extension().is_some_and(|end| end == "json")).expect("a lab has a directory file")
    }

    /// Returns `text` with everything that differs from run to run replaced by something as wide.
    #[must_use]
    pub fn redacted(&self, text: &str) -> String {
        let text = text.replace(&*self.path().to_string_lossy(), "SANDBOX");
        let text = text.replace(&format!("at speed {}\n", lab_speed("40")), "at speed 40\n");
        let paths = Regex::new(r"SANDBOX\S*").expect("the pattern is well-formed");
        let text = paths.replace_all(&text, |path: &regex::Captures<'_>| path[0].replace('\\', "/"));
        redact(&text)
    }
}

impl Drop for Sandbox {
    /// Ends the labs that a failed test has left behind.
    fn drop(&mut self) {
        let files = std::fs::read_dir(self.state().join("labs"));
        let process = Regex::new(r#""pid": ?(\d+)"#).expect("the pattern is well-formed");
        for path in files.into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path()) {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            if let (true, Some(found)) = (path.extension().is_some_and(|end| end == "json"), process.captures(&text)) {
                kill(&found[1]);
            }
        }
    }
}

/// A command that runs in the background.
#[derive(Debug)]
pub struct Background {
    child: Option<Child>,
}

impl Background {
    /// Ends it by force, and returns what it has said until then.
    ///
    /// # Panics
    /// When its output cannot be read.
    #[must_use]
    pub fn killed(mut self) -> Said {
        // It may have ended; the exit code says so.
        self.child.as_mut().expect("it runs").kill().unwrap_or_default();
        self.ended()
    }

    /// Sends it a signal, such as `INT`.
    ///
    /// # Panics
    /// When it has ended before.
    pub fn signal(&self, name: &str) {
        let child = self.child.as_ref().expect("it runs");
        signal(name, &child.id().to_string());
    }

    /// Waits until it says `text` on stdout.
    ///
    /// # Panics
    /// When it ends before.
    pub fn wait_for_output(&mut self, text: &str) {
        let child = self.child.as_mut().expect("it runs");
        drop(read_until(child.stdout.as_mut().expect("its output is read"), text));
    }

    /// Returns what it says on stdout until the end of the line.
    ///
    /// # Panics
    /// When it ends before.
    pub fn rest_of_line(&mut self) -> String {
        let child = self.child.as_mut().expect("it runs");
        read_until(child.stdout.as_mut().expect("its output is read"), "\n")
    }

    /// Waits until it has said something on stderr. What it has said until then is not in what it leaves behind.
    ///
    /// # Panics
    /// When it ends before.
    pub fn wait_for_error(&mut self, text: &str) {
        let child = self.child.as_mut().expect("it runs");
        drop(read_until(child.stderr.as_mut().expect("its errors are read"), text));
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When its output cannot be read.
    #[must_use]
    pub fn ended(mut self) -> Said {
        let child = self.child.take().expect("it runs");
        child.wait_with_output().expect("its output can be read").into()
    }
}

fn read_until(mut from: impl std::io::Read, text: &str) -> String {
    let (mut said, mut byte) = (Vec::new(), [0]);
    while !String::from_utf8_lossy(&said).contains(text) {
        from.read_exact(&mut byte).expect("it goes on");
        said.push(byte[0]);
    }
    String::from_utf8_lossy(&said).into_owned()
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended; then there is nothing to kill.
            child.kill().unwrap_or_default();
            drop(child.wait());
        }
    }
}

/// Ends a program by force.
///
/// # Panics
/// When the system has no command for that.
pub fn kill(process: &str) {
    signal("KILL", process);
}

/// Returns `text` with times, ids, ports and counts of imitated sessions replaced, without the lines that say what is
/// waited for, which depend on timing, and with the looks at the end, which are taken at once, in one order.
fn redact(text: &str) -> String {
    let rules = [
        (r"(?m)^\d\d:\d\d:\d\d  \S* +waits for .*\n", ""),
        (r"\d{8}-\d{6}-[0-9a-f]{4}(-lab)?", "yyyymmdd-hhmmss-iiii"),
        (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?Z", "yyyy-mm-dd hh:mm:ssZ"),
        (r"[A-Z][a-z]{2} \d{4}-\d\d-\d\d \d\d:\d\d UTC", "Ddd yyyy-mm-dd hh:mm UTC"),
        (r"\d\d:\d\d:\d\d", "hh:mm:ss"),
        (r"(until|until about) ([A-Z][a-z]{2} \d\d [A-Z][a-z]{2} )?\d\d:\d\d", "$1 hh:mm"),
        (r"\b[0-9a-f]{64}\b", "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"),
        (r"plan [0-9a-f]{12}\b", "plan ffffffffffff"),
        (r"ann@\S+ \(process \d+\)", "ann@host (process 1234)"),
        (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
        (r"(done +)(\d+h ?)?(\d+m ?)?(\d+s)?, ", "${1}0m 00s, "),
        (r"(?m)(: done in ).*$", "${1}0m 00s"),
        (r"\d+ records, chain", "N records, chain"),
        (r"the evidence is \d+s old", "the evidence is Ns old"),
        (r"(sessions now:) [^\n]*(\n {20}[A-Z0-9][^\n]*)*", "$1 ..."),
        (r"lab: \d+ minutes", "lab: N minutes"),
        (r"(sessions served|ended naturally|open now)( +)\d+", "${1}${2}N"),
    ];
    let redacted = rules.iter().fold(text.to_owned(), |text, (pattern, with)| {
        Regex::new(pattern).expect("the pattern is well-formed").replace_all(&text, *with).into_owned()
    });
    let mut lines: Vec<&str> = redacted.lines().collect();
    for run in lines.chunk_by_mut(|one, other| [one, other].iter().all(|line| line.contains("final check"))) {
        run.sort_unstable();
    }
    lines.join("\n") + "\n"
}
