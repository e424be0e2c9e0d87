//! The lab's balancer, asked as one asks HAProxy.

use crate::common::{POOL, lab, server_name};
use orchestrate_lab::Lab;
use orchestrate_model::PoolName;
use orchestrate_model::observe::BalancerState;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn say(lab: &Lab, command: &str) -> String {
    let mut stream = TcpStream::connect(lab.directory().balancers[&PoolName::new(POOL).unwrap()][0]).await.unwrap();
    stream.write_all(format!("{command}\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn servers_are_drained_and_brought_back() {
    let lab = lab("load: {factor: 0}", 1.0).await;
    let before = say(&lab, "show servers state web").await;
    assert!(
        before.starts_with("1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state "),
        "{before}"
    );
    assert!(before.contains("3 web 2 fe2 192.0.2.12 2 0 "), "{before}");
    assert_eq!(say(&lab, "set server web/fe2 state drain").await, "\n");
    assert!(say(&lab, "show servers state").await.contains("3 web 2 fe2 192.0.2.12 2 8 "));
    assert_eq!(lab.report().servers[&server_name("fe2.contoso.example")].balancer, Some(BalancerState::Drain));
    let both = say(&lab, "set server web/fe2 state maint;show servers state").await;
    assert!(both.starts_with("\n1\n# be_id") && both.contains("3 web 2 fe2 192.0.2.12 0 1 "), "{both}");
    assert_eq!(say(&lab, "set server web/fe2 state ready").await, "\n");
    assert_eq!(say(&lab, "show servers state").await.lines().nth(3), before.lines().nth(3));
}

#[tokio::test]
async fn wrong_commands_are_answered_as_haproxy_answers_them() {
    let lab = lab("load: {factor: 0}", 1.0).await;
    let cases = [
        ("show servers state nope", "Can't find backend.\n\n"),
        ("set server nope/fe1 state ready", "No such backend.\n\n"),
        ("set server web/nope state ready", "No such server.\n\n"),
        ("set server web state ready", "Require 'backend/server'.\n\n"),
        ("set server web/fe1 state bogus", "'set server <srv> state' expects 'ready', 'drain' and 'maint'.\n\n"),
    ];
    for (command, expected) in cases {
        assert_eq!(say(&lab, command).await, expected, "{command}");
    }
    assert!(say(&lab, "bogus").await.starts_with("Unknown command"));
}

#[tokio::test]
async fn statistics_have_a_column_for_every_header() {
    let lab = lab("seed: 3", 1.0).await;
    let text = say(&lab, "show stat").await;
    let lines: Vec<Vec<&str>> = text.trim_end().lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(lines.len(), 5, "{text}");
    for line in &lines {
        assert_eq!(line.len(), lines[0].len(), "{line:?}");
    }
    let sessions = lines[0].iter().position(|name| *name == "scur").unwrap();
    assert!(lines[1..4].iter().all(|line| line[sessions].parse::<u32>().unwrap() > 0), "{text}");
}
