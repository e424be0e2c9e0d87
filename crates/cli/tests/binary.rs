//! The binary as cargo built it. Cargo builds the binary of a package beside its tests only where there are tests like
//! these, and those of the whole program, in the package `orchestrate-tests`, need it built.

use std::process::Command;

#[test]
fn the_binary_says_its_version() -> std::io::Result<()> {
    let said = Command::new(env!("CARGO_BIN_EXE_orchestrate")).arg("--version").output()?;
    assert_eq!(String::from_utf8_lossy(&said.stdout), concat!("orchestrate ", env!("CARGO_PKG_VERSION"), "\n"));
    Ok(())
}
