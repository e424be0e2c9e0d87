//! The plan as a graph, for Graphviz and Mermaid.

use super::works;
use orchestrate_engine::state::steps_of;
use orchestrate_planner::plan::StepTarget;
use orchestrate_planner::{Edge, EdgeReason, Plan, Step};

/// Returns the plan in the DOT language.
#[must_use]
pub fn dot(plan: &Plan) -> String {
    let mut lines = vec![
        "digraph plan {".to_owned(),
        "  rankdir=LR;".to_owned(),
        "  node [shape=box, fontname=\"sans-serif\"];".to_owned(),
        "  edge [fontname=\"sans-serif\", fontsize=10];".to_owned(),
    ];
    for (id, work) in works(plan) {
        lines.push(format!("  subgraph cluster_{} {{", id.0));
        lines.push(format!("    label={};", quoted(work.server.as_str())));
        for step in steps_of(plan, id) {
            lines.push(format!("    s{} [label={}];", step.id.0, quoted(step.kind.word())));
        }
        lines.push("  }".to_owned());
    }
    for step in pool_steps(plan) {
        lines.push(format!("  s{} [label={}];", step.id.0, quoted(&pool_label(plan, step))));
    }
    for edge in plan.edges() {
        let label = match reason(edge) {
            Some(reason) => format!(" [label={}]", quoted(&reason)),
            None => String::new(),
        };
        lines.push(format!("  s{} -> s{}{label};", edge.before.0, edge.after.0));
    }
    lines.push("}".to_owned());
    lines.push(String::new());
    lines.join("\n")
}

/// Returns the plan as a Mermaid flow chart.
#[must_use]
pub fn mermaid(plan: &Plan) -> String {
    let mut lines = vec!["flowchart LR".to_owned()];
    for (id, work) in works(plan) {
        lines.push(format!("  subgraph w{}[\"{}\"]", id.0, entities(work.server.as_str())));
        for step in steps_of(plan, id) {
            lines.push(format!("    s{}[\"{}\"]", step.id.0, step.kind.word()));
        }
        lines.push("  end".to_owned());
    }
    for step in pool_steps(plan) {
        lines.push(format!("  s{}[\"{}\"]", step.id.0, entities(&pool_label(plan, step))));
    }
    for edge in plan.edges() {
        let arrow = match reason(edge) {
            Some(reason) => format!("-->|\"{}\"|", entities(&reason)),
            None => "-->".to_owned(),
        };
        lines.push(format!("  s{} {arrow} s{}", edge.before.0, edge.after.0));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn pool_steps(plan: &Plan) -> impl Iterator<Item = &Step> {
    plan.steps().iter().filter(|step| matches!(step.target, StepTarget::Pool(_)))
}

fn pool_label(plan: &Plan, step: &Step) -> String {
    match step.target {
        StepTarget::Pool(pool) => format!("{} {}", plan.change().pools[pool as usize].name, step.kind),
        StepTarget::Server(work) => format!("{} {}", plan.work_of(work).server, step.kind),
    }
}

/// Returns the reason that an edge is labelled with. That the steps of one server have an order needs no label.
fn reason(edge: &Edge) -> Option<String> {
    (edge.reason != EdgeReason::SameServer).then(|| edge.reason.to_string())
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn entities(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
}
