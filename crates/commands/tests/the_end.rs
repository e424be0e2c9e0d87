//! What becomes of programs at the end of a process. Alone in its file: it ends whatever its process has started.

use orchestrate_commands::{Group, Terminal, Waited, end_all};
use std::io::Read as _;
use std::process::Stdio;
use tokio::process::Command;

#[tokio::test]
#[cfg_attr(not(unix), ignore = "it starts programs of Unix")]
async fn at_the_end_of_the_process_what_is_under_way_ends_and_what_was_left_goes_on() {
    let (mut input, output) = std::io::pipe().unwrap();
    let mut command = Command::new("sh");
    // The second program speaks when its input ends, which is the end of this test.
    let script = "exec 3<&0; (cat <&3 > /dev/null; echo done) & exit 0";
    command.args(["-c", script]).stdin(Stdio::piped()).stdout(output).stderr(Stdio::null());
    let mut group = Group::start(command, Terminal::Apart).unwrap();
    let stdin = group.input().unwrap();
    assert!(matches!(group.wait().await.unwrap(), Waited::Ended(status) if status.success()));
    group.leave();
    let (mut held, writer) = std::io::pipe().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' TERM; sleep 1000 & wait"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(writer);
    let mut under_way = Group::start(command, Terminal::Apart).unwrap();
    end_all();
    let mut rest = Vec::new();
    held.read_to_end(&mut rest).unwrap();
    assert!(matches!(under_way.wait().await.unwrap(), Waited::Ended(status) if !status.success()));
    drop(stdin);
    let mut said = String::new();
    input.read_to_string(&mut said).unwrap();
    assert_eq!(said, "done\n");
}
