//! The balancer of a pool: the part of HAProxy's runtime API that takes servers out and brings them back.

use crate::shared::{Shared, State};
use crate::world::ServerIndex;
use orchestrate_model::observe::BalancerState;
use orchestrate_model::pool::{Balancer, HaproxyBalancer};
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The longest line that is read.
const LONGEST_LINE: u64 = 16_384;

const STATE_HEADER: &str = "# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight \
    srv_iweight srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state \
    srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port \
    srv_check_addr srv_agent_addr srv_agent_port";

const STAT_HEADER: &str = "# pxname,svname,qcur,qmax,scur,smax,slim,stot,bin,bout,dreq,dresp,ereq,econ,eresp,wretr,\
    wredis,status,weight,act,bck,chkfail,chkdown,lastchg,downtime,qlimit,pid,iid,sid,throttle,lbtot,tracked,type,rate,\
    rate_lim,rate_max,check_status,check_code,check_duration,";

/// Serves the runtime API of one pool's balancer until the lab ends.
pub(crate) async fn run(shared: Arc<Shared>, pool: usize, listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(connection(shared.clone(), pool, stream));
                }
            }
            Some(ended) = connections.join_next() => {
                if let Err(error) = ended {
                    tracing::warn!(%error, "a connection of the balancer failed");
                }
            }
        }
    }
}

/// One line of commands, separated by semicolons, is answered; then the connection ends, unless a prompt was asked for.
async fn connection(shared: Arc<Shared>, pool: usize, stream: TcpStream) {
    let mut stream = BufReader::new(stream);
    let mut interactive = false;
    loop {
        let mut line = String::new();
        match (&mut stream).take(LONGEST_LINE).read_line(&mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let mut answer = String::new();
        for command in line.split(';').map(str::trim) {
            match command {
                "prompt" => interactive = !interactive,
                "quit" => return,
                _ => {
                    answer.push_str(&shared.with(|state| execute(state, pool, command)));
                    answer.push('\n');
                }
            }
        }
        if interactive {
            answer.push_str("> ");
        }
        if stream.write_all(answer.as_bytes()).await.is_err() || stream.flush().await.is_err() || !interactive {
            return;
        }
    }
}

fn execute(state: &mut State, pool: usize, command: &str) -> String {
    let Balancer::Haproxy(haproxy) = state.world.pools[pool].plan.load_balancing.balancer.clone() else {
        return "Can't find backend.\n".to_owned();
    };
    let words: Vec<&str> = command.split_whitespace().collect();
    match words.as_slice() {
        ["show", "servers", "state"] => servers_state(state, pool, &haproxy),
        ["show", "servers", "state", backend] if *backend == haproxy.backend => servers_state(state, pool, &haproxy),
        ["show", "servers", "state", _] => "Can't find backend.\n".to_owned(),
        ["show", "stat", ..] => stat(state, pool, &haproxy),
        ["show", "info", ..] => "Name: HAProxy\nVersion: 2.6.0-orchestrate-lab\nNbthread: 1\nNbproc: 1\n".to_owned(),
        ["show", "backend"] => format!("# name\n{}\n", haproxy.backend),
        ["set", "server", target, "state", wanted] => set(state, pool, &haproxy, (target, wanted)),
        _ => "Unknown command, but maybe one of the following ones is a better match:\n  show servers state [<backend>]\n  \
              show stat\n  show info\n  set server <backend>/<server> state <ready|drain|maint>\n"
            .to_owned(),
    }
}

fn set(state: &mut State, pool: usize, haproxy: &HaproxyBalancer, (target, wanted): (&str, &str)) -> String {
    let Some((backend, name)) = target.split_once('/') else {
        return "Require 'backend/server'.\n".to_owned();
    };
    if backend != haproxy.backend {
        return "No such backend.\n".to_owned();
    }
    let servers = state.world.pools[pool].servers.clone();
    let named = |server: &ServerIndex| haproxy.name_of(&state.world.servers[*server].name) == name;
    let Some(server) = servers.into_iter().find(named) else {
        return "No such server.\n".to_owned();
    };
    let wanted = match wanted {
        "ready" => BalancerState::Ready,
        "drain" => BalancerState::Drain,
        "maint" => BalancerState::Maintenance,
        _ => return "'set server <srv> state' expects 'ready', 'drain' and 'maint'.\n".to_owned(),
    };
    state.world.set_balancer(pool, server, wanted);
    String::new()
}

/// One server in numbers: position, name, address, and how it is.
struct Row {
    id: usize,
    name: String,
    address: String,
    admin: BalancerState,
    healthy: bool,
    since_s: i64,
    sessions: u32,
}

fn rows(state: &State, pool: usize, haproxy: &HaproxyBalancer) -> Vec<Row> {
    let entry = &state.world.pools[pool];
    let row = |(position, &server): (usize, &ServerIndex)| {
        let host = &state.world.servers[server];
        let balancer = entry.balancer.get(&server);
        Row {
            id: position + 1,
            name: haproxy.name_of(&host.name).to_owned(),
            address: host.addresses.first().map_or_else(|| "-".to_owned(), ToString::to_string),
            admin: balancer.map_or(BalancerState::Ready, |balancer| balancer.state),
            healthy: state.world.healthy(server),
            since_s: balancer.map_or(0, |balancer| state.world.now().duration_since(balancer.changed).as_secs()),
            sessions: host.service_named("W3SVC").map_or(0, |service| service.sessions),
        }
    };
    entry.servers.iter().enumerate().map(row).collect()
}

fn servers_state(state: &State, pool: usize, haproxy: &HaproxyBalancer) -> String {
    let mut lines = vec!["1".to_owned(), STATE_HEADER.to_owned()];
    for row in rows(state, pool, haproxy) {
        let (admin, stopped) = match row.admin {
            BalancerState::Ready => (0, !row.healthy),
            BalancerState::Drain => (8, !row.healthy),
            BalancerState::Maintenance => (1, true),
        };
        let operation = if stopped { 0 } else { 2 };
        let check = if row.healthy { "6 3 4 6" } else { "8 2 0 6" };
        lines.push(format!(
            "3 {} {} {} {} {operation} {admin} 1 1 {} {check} 0 0 0 - 443 - 0 5061 - - 0",
            haproxy.backend, row.id, row.name, row.address, row.since_s
        ));
    }
    lines.join("\n") + "\n"
}

fn stat(state: &State, pool: usize, haproxy: &HaproxyBalancer) -> String {
    let mut lines = vec![STAT_HEADER.to_owned()];
    let rows = rows(state, pool, haproxy);
    for row in &rows {
        let status = match row.admin {
            BalancerState::Maintenance => "MAINT",
            BalancerState::Ready | BalancerState::Drain if !row.healthy => "DOWN",
            BalancerState::Drain => "DRAIN",
            BalancerState::Ready => "UP",
        };
        let check = if row.healthy { "L4OK" } else { "L4CON" };
        lines.push(format!(
            "{},{},0,0,{},{},,0,0,0,,0,,0,0,0,0,{status},1,1,0,0,0,{},0,,1,3,{},,0,,2,0,,0,{check},,0,",
            haproxy.backend, row.name, row.sessions, row.sessions, row.since_s, row.id
        ));
    }
    let sessions: u32 = rows.iter().map(|row| row.sessions).sum();
    lines.push(format!(
        "{},BACKEND,0,0,{sessions},{sessions},999,0,0,0,0,0,,0,0,0,0,UP,1,1,0,,0,0,0,,1,3,0,,0,,1,0,,0,,,,",
        haproxy.backend
    ));
    lines.join("\n") + "\n"
}
