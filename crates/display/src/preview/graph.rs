//! The plan as a graph, for Graphviz and Mermaid.
//!
//! A few servers stand side by side, each with its steps from top to bottom. More would be a ribbon that no screen shows:
//! then a server is one box in its pool, the steps stand beside it once, and what waits goes from top to bottom.

use super::works;
use orchestrate_engine::state::steps_of;
use orchestrate_planner::plan::{StepTarget, WorkId};
use orchestrate_planner::{EdgeReason, Plan, ServerWork, Step, StepId, StepKind};
use std::collections::BTreeMap;

/// Most servers whose steps are drawn for each. Four columns with the reasons between them are as wide as a screen.
const MOST_COLUMNS: usize = 4;

/// After how many characters the label of an edge goes on in the next line.
const LABEL: usize = 30;

/// One server or pool waits for another.
struct Wait {
    before: StepTarget,
    after: StepTarget,
    /// The last step of what is done first, and the first step of what waits.
    steps: (StepId, StepId),
    reasons: Vec<String>,
}

/// What is drawn of a plan.
struct Graph<'a> {
    plan: &'a Plan,
    /// The servers with their steps.
    servers: Vec<(WorkId, &'a ServerWork, Vec<&'a Step>)>,
    waits: Vec<Wait>,
    /// Steps of whole pools.
    pools: Vec<(u32, &'a Step)>,
}

impl<'a> Graph<'a> {
    fn of(plan: &'a Plan) -> Self {
        let servers = works(plan).map(|(id, work)| (id, work, steps_of(plan, id).collect::<Vec<&Step>>()));
        let pools = plan.steps().iter().filter_map(|step| match step.target {
            StepTarget::Pool(pool) => Some((pool, step)),
            StepTarget::Server(_) => None,
        });
        Self { plan, servers: servers.collect(), waits: waits(plan), pools: pools.collect() }
    }

    /// Whether the steps of each server are drawn.
    fn has_columns(&self) -> bool {
        self.servers.len() <= MOST_COLUMNS
    }

    /// Returns the servers of each pool, by their positions, in the order in which the first of each is taken.
    fn by_pool(&self) -> Vec<(u32, Vec<usize>)> {
        let mut pools: Vec<(u32, Vec<usize>)> = Vec::new();
        let mut known: BTreeMap<u32, usize> = BTreeMap::new();
        for (position, (_, work, _)) in self.servers.iter().enumerate() {
            let place = *known.entry(work.pool).or_insert(pools.len());
            match pools.get_mut(place) {
                Some((_, servers)) => servers.push(position),
                None => pools.push((work.pool, vec![position])),
            }
        }
        pools
    }

    /// Returns the different courses of steps with the number of servers of each.
    fn courses(&self) -> Vec<(Vec<StepKind>, usize)> {
        let mut courses: Vec<(Vec<StepKind>, usize)> = Vec::new();
        for (_, _, steps) in self.servers.iter().filter(|(.., steps)| !steps.is_empty()) {
            let kinds: Vec<StepKind> = steps.iter().map(|step| step.kind).collect();
            match courses.iter_mut().find(|(known, _)| *known == kinds) {
                Some((_, servers)) => *servers += 1,
                None => courses.push((kinds, 1)),
            }
        }
        courses
    }

    /// Returns what stands first in the column of a server.
    fn top(&self, server: WorkId) -> String {
        let first = self.servers.get(server.0 as usize).and_then(|(.., steps)| steps.first());
        first.map_or_else(|| format!("w{}", server.0), |step| format!("s{}", step.id.0))
    }

    /// Returns the box that an edge from or to a step of `target` ends at.
    fn end(&self, target: StepTarget, step: StepId) -> String {
        match target {
            StepTarget::Server(_) if self.has_columns() => format!("s{}", step.0),
            StepTarget::Server(work) => format!("w{}", work.0),
            StepTarget::Pool(pool) => format!("p{pool}"),
        }
    }

    /// Returns what a server waits for on others, and why, in short lines.
    fn after(&self, server: WorkId) -> Vec<String> {
        let of = self.waits.iter().filter(|wait| wait.after == StepTarget::Server(server));
        let said = of.filter_map(|wait| match wait.before {
            StepTarget::Server(before) => {
                let after = format!("after {}:", self.plan.work_of(before).server.short());
                Some(std::iter::once(after).chain(lines_of(&wait.reasons)))
            }
            StepTarget::Pool(_) => None,
        });
        said.flatten().collect()
    }

    fn pool(&self, pool: u32) -> &'a str {
        self.plan.change().pools[pool as usize].name.as_str()
    }
}

/// Returns what waits for what, with all its reasons, in the order of the plan.
fn waits(plan: &Plan) -> Vec<Wait> {
    let mut waits: Vec<Wait> = Vec::new();
    let mut known: BTreeMap<(StepTarget, StepTarget), usize> = BTreeMap::new();
    for edge in plan.edges().iter().filter(|edge| edge.reason != EdgeReason::SameServer) {
        let target = |step: StepId| plan.steps()[step.0 as usize].target;
        let (before, after) = (target(edge.before), target(edge.after));
        let place = *known.entry((before, after)).or_insert(waits.len());
        let reason = edge.reason.to_string();
        match waits.get_mut(place) {
            Some(wait) => wait.reasons.push(reason),
            None => waits.push(Wait { before, after, steps: (edge.before, edge.after), reasons: vec![reason] }),
        }
    }
    waits
}

/// Returns the plan in the DOT language.
#[must_use]
pub fn dot(plan: &Plan) -> String {
    let graph = Graph::of(plan);
    let mut lines = vec![
        "digraph plan {".to_owned(),
        "  rankdir=TB; compound=true; nodesep=0.3; ranksep=0.25;".to_owned(),
        "  node [shape=box, style=\"rounded,filled\", fillcolor=\"#eef2f7\", fontname=\"sans-serif\", fontsize=11, \
         height=0.3];"
            .to_owned(),
        "  edge [fontname=\"sans-serif\", fontsize=9, arrowsize=0.7];".to_owned(),
    ];
    if graph.has_columns() {
        dot_columns(&graph, &mut lines);
    } else {
        dot_servers(&graph, &mut lines);
    }
    for (pool, step) in &graph.pools {
        lines.push(format!("  p{pool} [label={}, shape=box];", quoted(&[graph.pool(*pool), step.kind.word()])));
    }
    for wait in &graph.waits {
        lines.push(match (graph.has_columns(), wait.before, wait.after) {
            // From column to column beside the first steps: such an edge pushes no column down, and has no room for words.
            (true, StepTarget::Server(before), StepTarget::Server(after)) => {
                let (from, to) = (graph.top(before), graph.top(after));
                let ends = format!("ltail=cluster_{}, lhead=cluster_{}", before.0, after.0);
                format!("  {from} -> {to} [{ends}, constraint=false];")
            }
            (_, before, after) => {
                let (before, after) = (graph.end(before, wait.steps.0), graph.end(after, wait.steps.1));
                format!("  {before} -> {after} [label={}];", quoted(&lines_of(&wait.reasons)))
            }
        });
    }
    lines.push("}".to_owned());
    lines.push(String::new());
    lines.join("\n")
}

fn dot_columns(graph: &Graph<'_>, lines: &mut Vec<String>) {
    for (id, work, steps) in &graph.servers {
        lines.push(format!("  subgraph cluster_{} {{", id.0));
        let label: Vec<String> = std::iter::once(work.server.to_string()).chain(graph.after(*id)).collect();
        lines.push(format!("    label={}; fontname=\"sans-serif\"; fontsize=11;", quoted(&label)));
        if steps.is_empty() {
            lines.push(format!("    w{} [label=\"passed over\"];", id.0));
        }
        for step in steps {
            lines.push(format!("    s{} [label={}];", step.id.0, quoted(&[step.kind.word()])));
        }
        for pair in steps.windows(2) {
            lines.push(format!("    s{} -> s{};", pair[0].id.0, pair[1].id.0));
        }
        lines.push("  }".to_owned());
    }
}

fn dot_servers(graph: &Graph<'_>, lines: &mut Vec<String>) {
    for (course, (kinds, servers)) in graph.courses().iter().enumerate() {
        let words: Vec<&str> = kinds.iter().map(|kind| kind.word()).collect();
        let mut label = vec![format!("each of {servers} servers:")];
        label.extend((1..).zip(words).map(|(number, word)| format!("{number} {word}")));
        lines.push(format!("  course{course} [label={}, shape=note];", quoted(&label)));
    }
    for (pool, servers) in graph.by_pool() {
        lines.push(format!("  subgraph cluster_{pool} {{"));
        lines.push(format!("    label={}; fontname=\"sans-serif\"; fontsize=12;", quoted(&[graph.pool(pool)])));
        for position in servers {
            let (id, work, steps) = &graph.servers[position];
            let over = if steps.is_empty() { Some("passed over") } else { None };
            let label: Vec<&str> = std::iter::once(work.server.as_str()).chain(over).collect();
            lines.push(format!("    w{} [label={}];", id.0, quoted(&label)));
        }
        lines.push("  }".to_owned());
    }
}

/// Returns the plan as a Mermaid flow chart.
#[must_use]
pub fn mermaid(plan: &Plan) -> String {
    let graph = Graph::of(plan);
    // Links between whole servers leave each its own direction.
    let mut lines = vec![if graph.has_columns() { "flowchart LR" } else { "flowchart TB" }.to_owned()];
    if graph.has_columns() {
        for (id, work, steps) in &graph.servers {
            lines.push(format!("  subgraph w{}[\"{}\"]", id.0, entities(work.server.as_str())));
            lines.push("    direction TB".to_owned());
            if steps.is_empty() {
                lines.push(format!("    o{}[\"passed over\"]", id.0));
            }
            for step in steps {
                lines.push(format!("    s{}[\"{}\"]", step.id.0, step.kind.word()));
            }
            for pair in steps.windows(2) {
                lines.push(format!("    s{} --> s{}", pair[0].id.0, pair[1].id.0));
            }
            lines.push("  end".to_owned());
        }
    } else {
        mermaid_servers(&graph, &mut lines);
    }
    for (pool, step) in &graph.pools {
        lines.push(format!("  p{pool}[\"{}<br/>{}\"]", entities(graph.pool(*pool)), step.kind.word()));
    }
    for wait in &graph.waits {
        let label: Vec<String> = lines_of(&wait.reasons).iter().map(|line| entities(line)).collect();
        let (before, after) = (mermaid_end(wait.before), mermaid_end(wait.after));
        lines.push(format!("  {before} -->|\"{}\"| {after}", label.join("<br/>")));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn mermaid_end(target: StepTarget) -> String {
    match target {
        StepTarget::Server(work) => format!("w{}", work.0),
        StepTarget::Pool(pool) => format!("p{pool}"),
    }
}

fn mermaid_servers(graph: &Graph<'_>, lines: &mut Vec<String>) {
    for (course, (kinds, servers)) in graph.courses().iter().enumerate() {
        let words: Vec<&str> = kinds.iter().map(|kind| kind.word()).collect();
        lines.push(format!("  course{course}[\"each of {servers} servers:<br/>{}\"]", words.join("<br/>")));
    }
    for (pool, servers) in graph.by_pool() {
        lines.push(format!("  subgraph pool{pool}[\"{}\"]", entities(graph.pool(pool))));
        for position in servers {
            let (id, work, steps) = &graph.servers[position];
            let over = if steps.is_empty() { "<br/>passed over" } else { "" };
            lines.push(format!("    w{}[\"{}{over}\"]", id.0, entities(work.server.as_str())));
        }
        lines.push("  end".to_owned());
    }
}

/// Returns reasons as short lines, for the label of an edge.
fn lines_of(reasons: &[String]) -> Vec<String> {
    reasons.iter().flat_map(|reason| crate::text::wrap(reason, LABEL)).collect()
}

/// Returns lines as one text of the DOT language.
fn quoted<T: AsRef<str>>(lines: &[T]) -> String {
    let lines: Vec<String> =
        lines.iter().map(|line| line.as_ref().replace('\\', "\\\\").replace('"', "\\\"")).collect();
    format!("\"{}\"", lines.join("\\n"))
}

fn entities(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
}
