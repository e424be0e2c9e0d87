//! A balancer of a pool: the part of HAProxy's runtime API that takes servers out and brings them back.

use crate::scenario::BalancerLevel;
use crate::shared::{Shared, State};
use crate::world::BalancerEntry as Entry;
use orchestrate_model::observe::BalancerState;
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

/// Serves the runtime API of one balancer of a pool until the lab ends.
pub(crate) async fn run(shared: Arc<Shared>, (pool, site): (usize, usize), listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(connection(shared.clone(), (pool, site), stream));
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
async fn connection(shared: Arc<Shared>, (pool, site): (usize, usize), stream: TcpStream) {
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
                    answer.push_str(&shared.with(|state| execute(state, (pool, site), command)));
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

fn execute(state: &mut State, (pool, site): (usize, usize), command: &str) -> String {
    let Some(level) = state.world.pools[pool].sites.get(site).map(|site| site.level) else {
        return "Can't find backend.\n".to_owned();
    };
    let has = |backend: &str| backends(state, (pool, site)).iter().any(|one| one == backend);
    let words: Vec<&str> = command.split_whitespace().collect();
    match words.as_slice() {
        ["show", "cli", "level"] => format!("{}\n", level_word(level)),
        ["show", "servers", "state"] => servers_state(state, (pool, site), None),
        ["show", "servers", "state", backend] if has(backend) => {
            servers_state(state, (pool, site), Some(backend))
        }
        ["show", "servers", "state", _] => "Can't find backend.\n".to_owned(),
        ["show", "stat", ..] => stat(state, (pool, site)),
        ["show", "info", ..] => "Name: HAProxy\nVersion: 2.6.0-orchestrate-lab\nNbthread: 1\nNbproc: 1\n".to_owned(),
        ["show", "backend"] => format!("# name\n{}\n", backends(state, (pool, site)).join("\n")),
        ["set", "server", ..] if level != BalancerLevel::Admin => "Permission denied\n".to_owned(),
        ["set", "server"] => "Require 'backend/server'.\n".to_owned(),
        ["set", "server", target, what, value] => set(state, (pool, site), target, (what, value)),
        _ => "Unknown command, but maybe one of the following ones is a better match:\n  show servers state [<backend>]\n  \
              show stat\n  show info\n  set server <backend>/<server> state <ready|drain|maint>\n"
            .to_owned(),
    }
}

fn level_word(level: BalancerLevel) -> &'static str {
    match level {
        BalancerLevel::User => "user",
        BalancerLevel::Operator => "operator",
        BalancerLevel::Admin => "admin",
    }
}

/// Returns the names of the backends, in the order of the configuration.
fn backends(state: &State, (pool, site): (usize, usize)) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for entry in &state.world.pools[pool].sites[site].entries {
        if !names.contains(&entry.backend) {
            names.push(entry.backend.clone());
        }
    }
    names
}

fn set(state: &mut State, (pool, site): (usize, usize), target: &str, (what, value): (&str, &str)) -> String {
    let Some((backend, name)) = target.split_once('/') else {
        return "Require 'backend/server'.\n".to_owned();
    };
    if !backends(state, (pool, site)).iter().any(|one| one == backend) {
        return "No such backend.\n".to_owned();
    }
    let mut entries = state.world.pools[pool].sites[site].entries.iter();
    let Some(entry) = entries.position(|entry| entry.backend == backend && entry.slot == name) else {
        return "No such server.\n".to_owned();
    };
    let wanted = match (what, value) {
        ("state", "ready") => BalancerState::Ready,
        ("state", "drain") => BalancerState::Drain,
        ("state", "maint") => BalancerState::Maintenance,
        ("state", _) => return "'set server <srv> state' expects 'ready', 'drain' and 'maint'.\n".to_owned(),
        ("addr", address) => {
            let Ok(address) = address.parse() else { return "Invalid addr format.\n".to_owned() };
            state.world.move_entry(pool, (site, entry), Some(address));
            return format!("IP changed to '{address}' by 'stats socket command'\n");
        }
        _ => return "usage: set server <backend>/<server> addr | state\n".to_owned(),
    };
    state.world.set_entry(pool, (site, entry), wanted);
    String::new()
}

/// One server in numbers: its backend's and its own position, name, address, and how it is.
struct Row {
    backend: String,
    backend_id: usize,
    id: usize,
    name: String,
    address: String,
    admin: BalancerState,
    healthy: bool,
    since_s: i64,
    sessions: u32,
}

fn rows(state: &State, (pool, site): (usize, usize)) -> Vec<Row> {
    let backends = backends(state, (pool, site));
    let entries = &state.world.pools[pool].sites[site].entries;
    let place = |backend: &str| backends.iter().position(|one| one == backend).unwrap_or_default();
    let mut ids = vec![0; backends.len()];
    let row = |entry: &Entry| {
        let backend = place(&entry.backend);
        ids[backend] += 1;
        let server = state.world.behind(pool, entry);
        let sessions = server.and_then(|server| state.world.servers[server].service_named("W3SVC"));
        Row {
            backend: entry.backend.clone(),
            backend_id: backend + 3,
            id: ids[backend],
            name: entry.slot.clone(),
            address: entry.address.map_or_else(|| "-".to_owned(), |address| address.to_string()),
            admin: entry.state,
            healthy: server.is_some_and(|server| state.world.healthy(server)),
            since_s: state.world.now().duration_since(entry.changed).as_secs(),
            // The first backend has them all: who came by which way is not imitated.
            sessions: if backend == 0 { sessions.map_or(0, |service| service.sessions) } else { 0 },
        }
    };
    entries.iter().map(row).collect()
}

fn servers_state(state: &State, at: (usize, usize), backend: Option<&str>) -> String {
    let mut lines = vec!["1".to_owned(), STATE_HEADER.to_owned()];
    for row in rows(state, at).into_iter().filter(|row| backend.is_none_or(|one| one == row.backend)) {
        let unresolved = if row.address == "-" { 32 } else { 0 };
        let (admin, stopped) = match row.admin {
            BalancerState::Ready => (unresolved, !row.healthy),
            BalancerState::Drain => (8 | unresolved, !row.healthy),
            BalancerState::Maintenance => (1 | unresolved, true),
        };
        let operation = if stopped { 0 } else { 2 };
        let check = if row.healthy { "6 3 4 6" } else { "8 2 0 6" };
        lines.push(format!(
            "{} {} {} {} {} {operation} {admin} 1 1 {} {check} 0 0 0 - 443 - 0 5061 - - 0",
            row.backend_id, row.backend, row.id, row.name, row.address, row.since_s
        ));
    }
    lines.join("\n") + "\n"
}

fn stat(state: &State, at: (usize, usize)) -> String {
    let mut lines = vec![STAT_HEADER.to_owned()];
    let rows = rows(state, at);
    for backend in backends(state, at) {
        let mut sessions = 0;
        for row in rows.iter().filter(|row| row.backend == backend) {
            let status = match row.admin {
                BalancerState::Maintenance => "MAINT",
                BalancerState::Ready | BalancerState::Drain if !row.healthy => "DOWN",
                BalancerState::Drain => "DRAIN",
                BalancerState::Ready => "UP",
            };
            let check = if row.healthy { "L4OK" } else { "L4CON" };
            sessions += row.sessions;
            lines.push(format!(
                "{backend},{},0,0,{},{},,0,0,0,,0,,0,0,0,0,{status},1,1,0,0,0,{},0,,1,3,{},,0,,2,0,,0,{check},,0,",
                row.name, row.sessions, row.sessions, row.since_s, row.id
            ));
        }
        lines.push(format!(
            "{backend},BACKEND,0,0,{sessions},{sessions},999,0,0,0,0,0,,0,0,0,0,UP,1,1,0,,0,0,0,,1,3,0,,0,,1,0,,0,,,,"
        ));
    }
    lines.join("\n") + "\n"
}
