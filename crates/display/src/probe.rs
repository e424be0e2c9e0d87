//! What `orchestrate probe` shows: a screen for a server, a table for several, and both for programs.

use crate::style::{Look, Tone};
use crate::text::{clean, count, list, pad, width};
use orchestrate_model::probe::{ActivityKeys, CounterSet, Light, Row, Topic};
use orchestrate_model::{Answer, PoolName, ServerName};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The version of the JSON document. It rises when a key changes its meaning or goes away; new keys may come at any time.
pub const PROBE_VERSION: u32 = 1;

/// What is told of one server.
#[derive(Debug, Clone)]
pub struct Told<'a> {
    /// The server.
    pub server: &'a ServerName,
    /// What was found.
    pub rows: &'a [Row],
    /// What could not be asked because something before it failed.
    pub left_out: &'a [Topic],
    /// Every counter set of the product, where they were asked for.
    pub counters: Option<&'a Answer<Vec<CounterSet>>>,
    /// The keys of the activity level, where they were asked for.
    pub activity: Option<&'a Answer<Vec<ActivityKeys>>>,
}

/// What is told of a pool besides its servers.
#[derive(Debug, Clone)]
pub struct ToldPool<'a> {
    /// The pool.
    pub pool: &'a PoolName,
    /// What was found.
    pub rows: &'a [Row],
}

impl Told<'_> {
    fn light(&self) -> Light {
        self.rows.iter().map(|row| row.light).max().unwrap_or(Light::Green)
    }
}

/// Columns of a mark.
const MARK: usize = 6;
/// Columns of a topic.
const TOPIC: usize = 17;

fn mark(light: Light) -> (&'static str, Tone) {
    match light {
        Light::Green => ("ok", Tone::Good),
        Light::Yellow => ("warn", Tone::Warn),
        Light::Red => ("FAIL", Tone::Bad),
    }
}

/// Returns what was found, with the code of the finding by which a dry run says so.
fn said(row: &Row) -> String {
    row.code.as_ref().map_or_else(|| row.found.clone(), |code| format!("{code}: {}", row.found))
}

/// Returns the rows of one screen.
fn told_rows(rows: &[Row], look: &Look) -> Vec<String> {
    let mut lines = Vec::new();
    for alike in rows.chunk_by(is_alike) {
        let Some(row) = alike.first() else { continue };
        let text = with_others(alike.iter().skip(1).map(|row| row.topic), said(row));
        lines.extend(marked(look, row.light, row.topic.word(), &text));
        lines.extend(row.todo.iter().flat_map(|todo| advice(look, MARK + TOPIC, todo)));
    }
    lines
}

/// Whether two rows say the same of two topics, as those do that rest on one thing that is not known.
fn is_alike(row: &Row, next: &Row) -> bool {
    let is_open = row.light != Light::Green && row.topic != next.topic;
    is_open && (row.light, &row.found, &row.todo, &row.code) == (next.light, &next.found, &next.todo, &next.code)
}

/// Returns what is said of several topics, before which the first of them stands.
fn with_others(others: impl Iterator<Item = Topic>, text: String) -> String {
    let others: Vec<&str> = others.map(Topic::word).collect();
    if others.is_empty() { text } else { format!("(so for {}) {text}", list(&others)) }
}

/// Returns what is told of pools, below their servers.
fn of_pools(pools: &[ToldPool<'_>], look: &Look) -> Vec<String> {
    let mut lines = Vec::new();
    for told in pools.iter().filter(|told| !told.rows.is_empty()) {
        lines.extend([String::new(), look.paint(Tone::Strong, told.pool.as_str())]);
        lines.extend(told_rows(told.rows, look));
    }
    lines
}

/// Returns text after a painted mark and a word.
fn marked(look: &Look, light: Light, word: &str, text: &str) -> Vec<String> {
    let (sign, tone) = mark(light);
    let lead = format!("{}{}", pad(sign, MARK), pad(word, TOPIC));
    let mut lines = look.hang(&lead, Tone::Plain, &clean(text));
    if let Some(first) = lines.first_mut() {
        *first = format!("{}{}", look.paint(tone, &pad(sign, MARK)), &first[MARK..]);
    }
    lines
}

fn advice(look: &Look, indent: usize, todo: &str) -> Vec<String> {
    look.hang(&format!("{:indent$}-> ", ""), Tone::Strong, &clean(todo))
}

/// Returns the screen of one server.
#[must_use]
pub fn screen(told: &Told<'_>, pools: &[ToldPool<'_>], look: &Look) -> String {
    let mut lines = vec![look.paint(Tone::Strong, told.server.as_str()), String::new()];
    lines.extend(told_rows(told.rows, look));
    lines.extend(left_out(told.left_out, look));
    lines.extend(of_pools(pools, look));
    if let Some(counters) = told.counters {
        lines.push(String::new());
        lines.extend(counter_sets(counters, look));
    }
    lines.extend(told.activity.into_iter().flat_map(|activity| activity_keys(activity, look)));
    lines.push(String::new());
    let rows = told.rows.iter().chain(pools.iter().flat_map(|told| told.rows));
    lines.push(ending(rows.map(|row| row.light), "row"));
    lines.extend(harmless(std::slice::from_ref(told), pools, look));
    lines.join("\n") + "\n"
}

fn left_out(topics: &[Topic], look: &Look) -> Vec<String> {
    if topics.is_empty() {
        return Vec::new();
    }
    let words: Vec<&str> = topics.iter().map(|topic| topic.word()).collect();
    look.hang(
        &pad("", MARK),
        Tone::Quiet,
        &format!("not asked, because it needs what is missing above: {}", words.join(", ")),
    )
}

fn counter_sets(counters: &Answer<Vec<CounterSet>>, look: &Look) -> Vec<String> {
    let sets = match counters {
        Answer::Known(sets) if sets.is_empty() => return vec!["counter sets of the product: none".to_owned()],
        Answer::Known(sets) => sets,
        Answer::Unknown(why) => return look.hang("counter sets of the product: ", Tone::Bad, &clean(why)),
    };
    let mut lines = vec![look.paint(Tone::Strong, "counter sets of the product, as `measures` takes them")];
    for set in sets {
        lines.push(format!("  {}", look.paint(Tone::Quiet, &clean(&set.class))));
        lines.extend(set.counters.keys().map(|counter| format!("    \\{}\\{}", clean(&set.name), clean(counter))));
    }
    lines
}

/// Returns the keys under which services say how busy they are, each as `measures` takes it, with its value now.
fn activity_keys(activity: &Answer<Vec<ActivityKeys>>, look: &Look) -> Vec<String> {
    let all = match activity {
        Answer::Known(all) => all,
        Answer::Unknown(why) => return look.hang("keys of the activity level: ", Tone::Bad, &clean(why)),
    };
    let head = "keys of the activity level (Get-CsWindowsService), as `measures` takes them, each with its value now";
    let mut lines = vec![look.paint(Tone::Strong, head)];
    for ActivityKeys { service, keys } in all {
        let lead = format!("  {}: ", service.as_str());
        match keys {
            Answer::Known(keys) if keys.is_empty() => lines.push(format!("{lead}none")),
            Answer::Known(keys) => {
                lines.push(lead.trim_end().to_owned());
                lines.extend(keys.iter().map(|(key, value)| format!("    {} ({value})", clean(key))));
            }
            Answer::Unknown(why) => lines.extend(look.hang(&lead, Tone::Quiet, &format!("not known: {}", clean(why)))),
        }
    }
    lines
}

/// Says of what could not be seen on servers, and is no finding of a dry run, what that means for a run. Without a plan there is
/// none to say it of.
fn harmless(servers: &[Told<'_>], pools: &[ToldPool<'_>], look: &Look) -> Vec<String> {
    let mut rows = servers.iter().flat_map(|told| told.rows);
    let some = !pools.is_empty() && rows.any(|row| row.light == Light::Yellow && row.code.is_none());
    let text = "What is marked warn without a code (O....) is no finding of the dry run: a run is not refused for it, and may \
                meet it later.";
    if some { look.hang("", Tone::Quiet, text) } else { Vec::new() }
}

/// Returns how many there are of each light, in words.
fn ending(lights: impl Iterator<Item = Light>, noun: &str) -> String {
    let mut counts: BTreeMap<Light, u64> = BTreeMap::new();
    for light in lights {
        *counts.entry(light).or_default() += 1;
    }
    let of = |light: Light| counts.get(&light).copied().unwrap_or_default();
    match (of(Light::Red), of(Light::Yellow), of(Light::Green)) {
        (0, 0, good) => format!("all good: {}", count(good, noun)),
        (0, warn, good) => format!("{} worth a look, {good} ok; nothing fails", count(warn, noun)),
        (bad, 0, good) => format!("{} failed, {good} ok", count(bad, noun)),
        (bad, warn, good) => format!("{} failed, {warn} worth a look, {good} ok", count(bad, noun)),
    }
}

/// Returns the table of several servers: a line for each thing that is not as it should be everywhere, a column for each
/// server, and each thing that is to be done once.
#[must_use]
pub fn table(servers: &[Told<'_>], pools: &[ToldPool<'_>], look: &Look) -> String {
    let differs =
        |topic: &Topic| servers.iter().any(|told| cell(told, *topic).is_some_and(|light| light != Light::Green));
    let topics: Vec<Topic> = Topic::ALL.into_iter().filter(differs).collect();
    let mut lines = Vec::new();
    if !topics.is_empty() {
        for part in parts(servers, look) {
            lines.extend(matrix(part, servers, &topics, look));
            lines.push(String::new());
        }
    }
    let good: Vec<&str> = Topic::ALL
        .into_iter()
        .filter(|topic| !topics.contains(topic) && servers.iter().any(|told| cell(told, *topic).is_some()))
        .map(Topic::word)
        .collect();
    if !good.is_empty() {
        let asked = if topics.is_empty() { "ok on every server: " } else { "ok on every server that was asked: " };
        lines.extend(look.hang(asked, Tone::Quiet, &good.join(", ")));
    }
    lines.extend(let_in(servers, look));
    lines.extend(not_asked(servers, &topics, look));
    lines.extend(causes(servers, look));
    lines.extend(of_pools(pools, look));
    for told in servers.iter().filter(|told| told.counters.is_some()) {
        lines.push(String::new());
        lines.push(told.server.to_string());
        lines.extend(told.counters.into_iter().flat_map(|counters| counter_sets(counters, look)));
        lines.extend(told.activity.into_iter().flat_map(|activity| activity_keys(activity, look)));
    }
    lines.push(String::new());
    let of_servers = ending(servers.iter().map(Told::light), "server");
    let rows = pools.iter().flat_map(|told| told.rows).map(|row| row.light);
    lines.push(match rows.clone().max() {
        None | Some(Light::Green) => of_servers,
        Some(_) => format!("{of_servers}; of the pool: {}", ending(rows, "row")),
    });
    lines.extend(harmless(servers, pools, look));
    lines.join("\n") + "\n"
}

/// Says how the account was let in, where it was: what was agreed on may be less than what was meant.
fn let_in(servers: &[Told<'_>], look: &Look) -> Vec<String> {
    let mut ways: Vec<(&str, Vec<&str>)> = Vec::new();
    for told in servers {
        let good = |row: &&Row| row.topic == Topic::Logon && row.light == Light::Green;
        let Some(row) = told.rows.iter().find(good) else { continue };
        let way = row.found.split(';').next().unwrap_or(&row.found);
        match ways.iter_mut().find(|(known, _)| *known == way) {
            Some((_, names)) => names.push(name(told, servers)),
            None => ways.push((way, vec![name(told, servers)])),
        }
    }
    let said = ways.iter().flat_map(|(way, names)| {
        let whose = if names.len() == servers.len() { "every server".to_owned() } else { list(names) };
        look.hang("logon: ", Tone::Quiet, &format!("{whose}: {way}"))
    });
    said.collect()
}

/// Returns what could not be asked, by server. `shown` are the topics of the table, in which that is a question mark.
fn not_asked(servers: &[Told<'_>], shown: &[Topic], look: &Look) -> Vec<String> {
    let is_shown = servers.iter().flat_map(|told| told.left_out).any(|topic| shown.contains(topic));
    let lead = if is_shown { "not asked (?): " } else { "not asked: " };
    let mut by_topics: Vec<(&[Topic], Vec<&str>)> = Vec::new();
    for told in servers.iter().filter(|told| !told.left_out.is_empty()) {
        match by_topics.iter_mut().find(|(topics, _)| *topics == told.left_out) {
            Some((_, names)) => names.push(name(told, servers)),
            None => by_topics.push((told.left_out, vec![name(told, servers)])),
        }
    }
    let said = by_topics.iter().flat_map(|(topics, names)| {
        let words: Vec<&str> = topics.iter().map(|topic| topic.word()).collect();
        look.hang(lead, Tone::Quiet, &format!("{}: {}", list(names), words.join(", ")))
    });
    said.collect()
}

/// Columns that a server takes in the table.
fn column(told: &Told<'_>, servers: &[Told<'_>]) -> usize {
    width(name(told, servers)).max(MARK - 2) + 2
}

/// Returns the servers in as many parts as a line has room for.
fn parts<'a, 'b>(servers: &'a [Told<'b>], look: &Look) -> Vec<&'a [Told<'b>]> {
    let mut parts = Vec::new();
    let mut rest = servers;
    while !rest.is_empty() {
        let mut used = TOPIC;
        let fits = |told: &&Told<'_>| {
            used += column(told, servers);
            used <= look.width + 2
        };
        let (part, later) = rest.split_at(rest.iter().take_while(fits).count().max(1));
        parts.push(part);
        rest = later;
    }
    parts
}

fn matrix(part: &[Told<'_>], servers: &[Told<'_>], topics: &[Topic], look: &Look) -> Vec<String> {
    let line = |lead: &str, cell: &dyn Fn(&Told<'_>) -> String| {
        let cells: String = part.iter().map(cell).collect();
        format!("{}{cells}", pad(lead, TOPIC)).trim_end().to_owned()
    };
    let head = line("", &|told| look.paint(Tone::Strong, &pad(name(told, servers), column(told, servers))));
    let rows =
        topics.iter().map(|topic| line(topic.word(), &|told| painted(told, *topic, column(told, servers), look)));
    std::iter::once(head).chain(rows).collect()
}

/// Returns the short name of a server, where no other has the same.
fn name<'a>(told: &Told<'a>, servers: &[Told<'a>]) -> &'a str {
    let same = servers.iter().filter(|other| other.server.short() == told.server.short()).count();
    if same > 1 { told.server.as_str() } else { told.server.short() }
}

fn cell(told: &Told<'_>, topic: Topic) -> Option<Light> {
    told.rows.iter().filter(|row| row.topic == topic).map(|row| row.light).max()
}

fn painted(told: &Told<'_>, topic: Topic, room: usize, look: &Look) -> String {
    match cell(told, topic) {
        Some(light) => {
            let (sign, tone) = mark(light);
            format!("{}{:fill$}", look.paint(tone, sign), "", fill = room - width(sign))
        }
        None => pad(if told.left_out.contains(&topic) { "?" } else { "-" }, room),
    }
}

/// One thing to be done, and on which servers it was found, with what.
struct Cause<'a> {
    light: Light,
    topic: Topic,
    todo: &'a str,
    found: Vec<(&'a str, String)>,
}

/// Returns what is to be done, the worst first; what is the same on several servers is told once.
fn causes(servers: &[Told<'_>], look: &Look) -> Vec<String> {
    let mut causes: Vec<Cause<'_>> = Vec::new();
    for told in servers {
        let whose = name(told, servers);
        for row in told.rows.iter().filter(|row| row.light != Light::Green) {
            let todo = row.todo.as_deref().unwrap_or_default();
            // What is the same on several servers is so without their names.
            let said = said(row).replace(&format!(" on {}", told.server), "").replace(&format!(" on {whose}"), "");
            let said = said.replace(&format!("{}: ", told.server), "");
            let is_same = |cause: &&mut Cause<'_>| {
                (cause.light, cause.topic, generic(cause.todo)) == (row.light, row.topic, generic(todo))
            };
            match causes.iter_mut().find(is_same) {
                Some(cause) => cause.found.push((whose, said)),
                None => {
                    let found = vec![(whose, said)];
                    causes.push(Cause { light: row.light, topic: row.topic, todo, found });
                }
            }
        }
    }
    causes.sort_by_key(|cause| (std::cmp::Reverse(cause.light), cause.topic));
    let mut lines = Vec::new();
    let is_alike = |cause: &Cause<'_>, next: &Cause<'_>| {
        (cause.light, cause.todo, &cause.found) == (next.light, next.todo, &next.found)
    };
    for alike in causes.chunk_by(is_alike) {
        let Some(cause) = alike.first() else { continue };
        let text = with_others(alike.iter().skip(1).map(|cause| cause.topic), found(cause, servers.len()));
        lines.push(String::new());
        lines.extend(marked(look, cause.light, cause.topic.word(), &text));
        lines.extend(advice(look, MARK + TOPIC, cause.todo));
    }
    lines
}

/// Returns advice without what is of one server only: a pin.
fn generic(todo: &str) -> &str {
    todo.split("pin: ").next().unwrap_or(todo)
}

fn found(cause: &Cause<'_>, servers: usize) -> String {
    let whose = |of: &[&str]| match of.len() {
        all if all == servers && servers > 1 => "every server".to_owned(),
        _ => list(of),
    };
    let mut kinds: Vec<(&String, Vec<&str>)> = Vec::new();
    for (server, found) in &cause.found {
        match kinds.iter_mut().find(|(known, _)| *known == found) {
            Some((_, servers)) => servers.push(*server),
            None => kinds.push((found, vec![*server])),
        }
    }
    kinds.iter().map(|(found, of)| format!("{}: {found}", whose(of))).collect::<Vec<_>>().join(" | ")
}

/// Returns the keys of each service, or why there are none.
fn activity_json(all: &[ActivityKeys]) -> Value {
    let each = all.iter().map(|ActivityKeys { service, keys }| match keys {
        Answer::Known(keys) => json!({ "service": service, "keys": keys, "unknown": null }),
        Answer::Unknown(why) => json!({ "service": service, "keys": null, "unknown": why }),
    });
    each.collect()
}

/// Returns the same for programs.
#[must_use]
pub fn json(servers: &[Told<'_>], pools: &[ToldPool<'_>]) -> Value {
    let each = servers.iter().map(|told| {
        let (counters, unread) = match told.counters {
            None => (None, None),
            Some(Answer::Known(sets)) => (Some(sets), None),
            Some(Answer::Unknown(why)) => (None, Some(why)),
        };
        json!({
            "server": told.server,
            "light": told.light().word(),
            "rows": told.rows,
            "not_asked": told.left_out,
            "counter_sets": counters,
            "counter_sets_unknown": unread,
            "activity_keys": told.activity.and_then(Answer::known).map(|all| activity_json(all)),
            "activity_keys_unknown": told.activity.and_then(Answer::why_unknown),
        })
    });
    let of = |rows: &[Row]| rows.iter().map(|row| row.light).max().unwrap_or(Light::Green);
    let worst = servers.iter().map(Told::light).chain(pools.iter().map(|told| of(told.rows))).max();
    let pools = pools.iter().map(|told| json!({ "pool": told.pool, "light": of(told.rows).word(), "rows": told.rows }));
    json!({
        "version": PROBE_VERSION,
        "light": worst.unwrap_or(Light::Green).word(),
        "servers": each.collect::<Vec<_>>(),
        "pools": pools.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(name: &str) -> ServerName {
        ServerName::new(name).unwrap()
    }

    fn row(topic: Topic, light: Light, found: &str, todo: Option<&str>) -> Row {
        Row { topic, light, found: found.to_owned(), todo: todo.map(str::to_owned), code: None }
    }

    fn rows(free: &str) -> Vec<Row> {
        vec![
            row(Topic::Name, Light::Green, "192.0.2.11; reached at 192.0.2.11:5985", None),
            row(Topic::Clock, Light::Red, "7 min 12 s ahead of this machine", Some("set the clock that is wrong")),
            row(Topic::Disk, Light::Yellow, free, Some("make room")),
        ]
    }

    #[test]
    fn a_screen_says_what_was_found_and_what_to_do() {
        let fe1 = server("fe1.contoso.example");
        let rows = rows("C: 5.0 GiB free of 100.0 GiB");
        let told = Told { server: &fe1, rows: &rows, left_out: &[Topic::Quotas], counters: None, activity: None };
        let text = screen(&told, &[], &Look::plain());
        let words = [
            "FAIL  clock            7 min 12 s ahead of this machine",
            "-> set the clock that is wrong",
            "warn  disk",
            "not asked, because it needs what is missing above: quotas",
            "1 row failed, 1 worth a look, 1 ok",
        ];
        for words in words {
            assert!(text.contains(words), "{words}: {text}");
        }
    }

    #[test]
    fn a_table_has_a_column_for_each_server_and_tells_a_common_cause_once() {
        let names = ["fe1", "fe2", "fe3"].map(|name| server(&format!("{name}.contoso.example")));
        let found = [rows("C: 5.0 GiB free"), rows("C: 6.0 GiB free"), rows("C: 5.0 GiB free")];
        let told: Vec<Told<'_>> = names
            .iter()
            .zip(&found)
            .map(|(server, rows)| Told { server, rows, left_out: &[], counters: None, activity: None })
            .collect();
        let text = table(&told, &[], &Look::plain());
        assert_eq!(text.matches("set the clock that is wrong").count(), 1, "{text}");
        assert!(text.contains("every server: 7 min 12 s ahead of this machine"), "{text}");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "                 fe1   fe2   fe3", "{text}");
        assert_eq!(lines[1], "clock            FAIL  FAIL  FAIL", "{text}");
    }

    #[test]
    fn servers_without_anything_to_do_are_said_to_be_good() {
        let fe1 = server("fe1.contoso.example");
        let rows = [row(Topic::Name, Light::Green, "x", None)];
        let told = [Told { server: &fe1, rows: &rows, left_out: &[], counters: None, activity: None }];
        assert_eq!(table(&told, &[], &Look::plain()), "ok on every server: name\n\nall good: 1 server\n");
    }

    #[test]
    fn a_table_of_many_servers_fits_the_width() {
        let names: Vec<ServerName> = (1..=40).map(|at| server(&format!("frontend{at}.contoso.example"))).collect();
        let rows = rows("C: 5.0 GiB free");
        let told: Vec<Told<'_>> = names
            .iter()
            .map(|server| Told { server, rows: &rows, left_out: &[], counters: None, activity: None })
            .collect();
        let text = table(&told, &[], &Look::plain());
        assert!(text.lines().all(|line| line.chars().count() <= Look::WIDTH), "{text}");
        for at in 1..=40 {
            assert_eq!(
                text.matches(&format!("frontend{at} ")).count() + text.matches(&format!("frontend{at}\n")).count(),
                1
            );
        }
    }

    #[test]
    fn programs_get_words_that_stay() {
        let fe1 = server("fe1.contoso.example");
        let rows = rows("x");
        let sets = Answer::unknown("denied");
        let told = [Told {
            server: &fe1,
            rows: &rows,
            left_out: &[Topic::PendingRestart],
            counters: Some(&sets),
            activity: None,
        }];
        let value = json(&told, &[]);
        assert_eq!((&value["version"], &value["light"]), (&json!(1), &json!("red")));
        let server = &value["servers"][0];
        assert_eq!(server["rows"][1]["topic"], "clock");
        assert_eq!(server["rows"][1]["light"], "red");
        assert_eq!(server["not_asked"], json!(["pending-restart"]));
        assert_eq!(server["counter_sets_unknown"], "denied");
        let words = Topic::ALL.map(|topic| serde_json::to_value(topic).unwrap());
        assert!(Topic::ALL.iter().zip(words).all(|(topic, word)| word == topic.word()));
    }
}
