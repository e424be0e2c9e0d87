//! Programs of Unix that leave others behind and do not listen.

use super::*;
use std::io::Read as _;
use std::process::Stdio;
use std::time::Duration;

/// A program that starts another one; both hold on to `held` and listen to nobody.
fn stubborn(held: std::io::PipeWriter, then: &str) -> Command {
    let script = format!("trap '' TERM INT HUP; sh -c 'trap \"\" TERM INT HUP; sleep 1000' & {then}");
    let mut command = Command::new("sh");
    command.args(["-c", &script]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(held);
    command
}

/// Reads until whoever holds the other end is gone.
fn until_gone(mut pipe: std::io::PipeReader) {
    let mut rest = Vec::new();
    pipe.read_to_end(&mut rest).unwrap();
}

#[tokio::test]
#[cfg_attr(not(unix), ignore = "it starts programs of Unix")]
async fn what_is_given_up_ends_with_all_that_it_has_started() {
    for terminal in [Terminal::Apart, Terminal::Busy, Terminal::Lent] {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut group = Group::start(stubborn(writer, "wait"), terminal).unwrap();
        let waited = tokio::time::timeout(Duration::from_millis(200), group.wait()).await;
        assert!(waited.is_err(), "{waited:?}");
        drop(group);
        until_gone(reader);
    }
}

#[tokio::test]
#[cfg_attr(not(unix), ignore = "it starts programs of Unix")]
async fn what_has_ended_and_is_not_left_ends_with_what_it_left_behind() {
    let (reader, writer) = std::io::pipe().unwrap();
    let mut group = Group::start(stubborn(writer, "exit 3"), Terminal::Apart).unwrap();
    let waited = group.wait().await.unwrap();
    assert!(matches!(waited, Waited::Ended(status) if status.code() == Some(3)), "{waited:?}");
    drop(group);
    until_gone(reader);
}
