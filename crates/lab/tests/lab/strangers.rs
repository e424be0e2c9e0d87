//! The lab's WinRM driven by clients that others wrote: pywinrm and pypsrp.

use crate::common::{lab, server_name};
use std::path::Path;
use tokio::process::Command;

/// The interpreter that has both clients, when it is not the usual one.
const INTERPRETER: &str = "LAB_PYTHON";

async fn runs(python: &str, arguments: &[&str]) -> bool {
    let output = Command::new(python).args(arguments).output().await;
    output.is_ok_and(|output| output.status.success())
}

#[tokio::test]
async fn clients_that_others_wrote_get_along_with_the_lab() {
    let python = std::env::var(INTERPRETER).unwrap_or_else(|_unset| "python3".to_owned());
    if !runs(&python, &["-c", "import winrm, pypsrp"]).await {
        assert!(
            std::env::var("CI").is_err(),
            "pywinrm and pypsrp are needed: pip install pywinrm pypsrp, or {INTERPRETER}"
        );
        println!("skipped: {python} has no pywinrm and pypsrp");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let authority = folder.path().join("authority.pem");
    let lab = lab("load: {factor: 0}", 50.0).await;
    let directory = lab.directory();
    std::fs::write(&authority, &directory.ca_pem).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/strangers/drive.py");
    let output = Command::new(&python)
        .arg(script)
        .env("LAB_PORT", directory.servers[&server_name("fe1.contoso.example")].port().to_string())
        .env("LAB_USER", &directory.user)
        .env("LAB_PASSWORD", &directory.password)
        .env("LAB_AUTHORITY", &authority)
        .env("NO_PROXY", "127.0.0.1")
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.trim_end().ends_with("done"),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
