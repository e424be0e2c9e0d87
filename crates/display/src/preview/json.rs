//! The preview for programs.

use super::doing::doings;
use super::{Instead, Preview, works};
use crate::words;
use orchestrate_planner::plan::StepTarget;
use orchestrate_planner::safety::Asked;
use orchestrate_planner::{Finding, ServerWork, Step};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The version of the JSON preview. It rises when a key changes its meaning or goes away; new keys may come at any time.
pub const PREVIEW_VERSION: u32 = 1;

/// Returns the preview as one JSON document.
#[must_use]
pub fn json(preview: &Preview<'_>) -> Value {
    let plan = preview.plan;
    let change = plan.change();
    let answers: BTreeMap<_, _> = preview.report.safety.iter().map(|safety| (&safety.server, safety)).collect();
    let each = works(plan).zip(preview.steps()).zip(preview.waits());
    let servers: Vec<Value> = each
        .map(|(((_, work), steps), waits)| {
            let waits: Vec<Value> = waits
                .into_iter()
                .map(|(name, reasons)| {
                    let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
                    json!({"for": name, "reasons": reasons})
                })
                .collect();
            json!({
                "server": work.server,
                "pool": plan.pool_of(work).name,
                "upgrade_domain": work.upgrade_domain,
                "batch": work.batch,
                "passed_over": work.skip,
                "left_out": plan.left_out(work).map(words::left_out),
                "block": work.block,
                "waits": waits,
                "safety": answers.get(&work.server)
                    .map(|found| found.asked.iter().map(safety).collect::<Vec<_>>()),
                "steps": steps.into_iter().map(|each| step(preview, each, Some(work))).collect::<Vec<_>>(),
            })
        })
        .collect();
    let pool_steps = plan.steps().iter().filter(|step| matches!(step.target, StepTarget::Pool(_)));
    json!({
        "version": PREVIEW_VERSION,
        "instead": preview.instead.map(instead),
        "plan": {"fingerprint": preview.fingerprint, "name": change.name, "reason": change.reason,
            "emergency": change.emergency, "only": change.only,
            "whole": plan.whole().map(|whole| whole.to_string())},
        "rules": {
            "budget": words::budget(change),
            "drain": words::drain_rule(change),
            "stop_when": {"failed": change.stop_when.failed, "text": words::stop_when(change.stop_when)},
            "accept_loss": change.maintenance.accept_loss,
        },
        "servers": servers,
        "pool_steps": pool_steps.map(|each| step(preview, each, None)).collect::<Vec<_>>(),
        "edges": plan.edges().iter().map(|edge| json!({
            "before": edge.before, "after": edge.after, "reason": edge.reason.to_string(),
        })).collect::<Vec<_>>(),
        "forecast": preview.report.forecast,
        "findings": plan.findings().iter().map(finding).collect::<Vec<_>>(),
    })
}

fn instead(instead: &Instead) -> Value {
    let text = instead.text();
    match instead {
        Instead::GoOn { run, .. } => json!({"would": "go-on", "run": run, "text": text}),
        Instead::Refused { exit_code, .. } => json!({"would": "be-refused", "exit_code": exit_code, "text": text}),
    }
}

fn step(preview: &Preview<'_>, step: &Step, work: Option<&ServerWork>) -> Value {
    let seen = work.and_then(|work| preview.seen(work));
    let does: Vec<Value> = doings(preview.plan, step, seen)
        .into_iter()
        .map(|doing| json!({"what": doing.what, "services": doing.services}))
        .collect();
    json!({
        "id": step.id,
        "step": step.kind,
        "certainty": step.certainty,
        "changes": step.kind.changes(),
        "does": does,
        "why_here": words::why_here(step.kind),
    })
}

fn safety(asked: &Asked) -> Value {
    json!({
        "question": words::question_key(asked.question),
        "answer": asked.verdict.word(),
        "evidence": asked.verdict.text(),
        "advice": asked.advice,
    })
}

/// Returns one finding as a JSON value.
fn finding(finding: &Finding) -> Value {
    json!({
        "code": finding.code,
        "severity": finding.severity,
        "pool": finding.pool,
        "server": finding.server,
        "message": finding.message,
        "advice": finding.advice,
    })
}
