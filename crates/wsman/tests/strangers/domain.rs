//! A domain and hosts in it, started for the tests of this program and ended with it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock};

/// The domain, and where its hosts are.
#[derive(Debug)]
pub(crate) struct Domain {
    /// The folder that it lies in.
    pub(crate) folder: PathBuf,
    /// Where its KDC listens.
    pub(crate) kdc: String,
    network: String,
    shared: PathBuf,
    hosts: Mutex<Vec<String>>,
}

/// Returns the domain, or nothing where its parts are missing. Under CI they may not be.
pub(crate) fn domain() -> Option<&'static Domain> {
    static DOMAIN: OnceLock<Option<Domain>> = OnceLock::new();
    DOMAIN.get_or_init(start).as_ref()
}

fn start() -> Option<Domain> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let top = own.ancestors().find(|folder| folder.join("Cargo.lock").exists()).unwrap_or(own);
    let shared = top.join("../shared");
    if let Some(missing) = missing(&shared) {
        assert!(std::env::var("CI").is_err(), "{missing}");
        println!("skipped: {missing}");
        return None;
    }
    let id = std::process::id();
    let folder = std::env::temp_dir().join(format!("orchestrate-strangers-{id}"));
    std::fs::create_dir_all(&folder).unwrap();
    let network = format!("127.{}.{}", 64 + id % 64, 1 + id / 64 % 250);
    let port = free_port();
    let domain = Domain {
        kdc: format!("127.0.0.1:{port}"),
        folder,
        network,
        shared: shared.canonicalize().unwrap(),
        hosts: Mutex::default(),
    };
    domain.clean_up_after(id);
    domain.run("domain/domain", &["up", &domain.path("domain"), &port.to_string()]);
    Some(domain)
}

/// Returns what is missing for a domain with hosts.
fn missing(shared: &Path) -> Option<String> {
    for part in ["domain/domain", "winhost/winhost"] {
        if !shared.join(part).exists() {
            return Some(format!("../shared/{part} is not there"));
        }
    }
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    if !is_root {
        return Some("a domain and its hosts have to be started by root".to_owned());
    }
    for program in ["samba-tool", "ldbmodify", "kinit", "openssl", "xz"] {
        let found = ["/usr/bin", "/usr/sbin", "/bin"].iter().any(|folder| Path::new(folder).join(program).exists());
        if !found {
            return Some(format!("{program} is not installed: see the packages in .ci/run"));
        }
    }
    None
}

/// Returns a port of which the next one is free as well.
fn free_port() -> u16 {
    loop {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if port < 65_000 && TcpListener::bind(("127.0.0.1", port + 1)).is_ok() {
            return port;
        }
    }
}

impl Domain {
    /// Returns a path in the folder.
    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// Returns the configuration that leads to the domain.
    pub(crate) fn krb5_conf(&self) -> String {
        std::fs::read_to_string(self.path("domain/krb5.conf")).unwrap()
    }

    /// Starts a host of the domain, once, and returns its address.
    pub(crate) fn host(&self, number: u8) -> String {
        let address = format!("{}.{}", self.network, 10 + number);
        let mut hosts = self.hosts.lock().unwrap();
        if !hosts.contains(&address) {
            let folder = self.path(&format!("fe{number}"));
            self.run(
                "winhost/winhost",
                &[
                    "up",
                    &folder,
                    &format!("address={address}"),
                    "http=5985",
                    "https=5986",
                    &format!("name=fe{number}.contoso.example"),
                    &format!("domain={}", self.path("domain")),
                    "account=CONTOSO:svc-orch:Orch-Passw0rd1!",
                    "account=CONTOSO:svc-umlaut:Größe-Pässw0rd-€6!",
                    "basic=svc-orch:Orch-Passw0rd1!",
                ],
            );
            hosts.push(address.clone());
        }
        address
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let output = Command::new(self.shared.join(program))
            .args(arguments)
            .env("OMI_TEST_REQUIRE_SEALED", "1")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&said));
    }

    /// Ends everything when the tests have ended, however they end.
    #[expect(clippy::zombie_processes, reason = "it outlives the test on purpose, to clean up after it")]
    fn clean_up_after(&self, id: u32) {
        let script = format!(
            "while kill -0 {id} 2>/dev/null; do sleep 1; done; for n in 1 2 3; do {shared}/winhost/winhost down \
             {folder}/fe$n; done; {shared}/domain/domain down {folder}/domain; rm -rf {folder}",
            shared = self.shared.display(),
            folder = self.folder.display()
        );
        Command::new("setsid")
            .args(["sh", "-c", &script])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
    }
}
