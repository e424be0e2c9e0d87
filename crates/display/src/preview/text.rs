//! The preview for people: readable at two in the morning.

use super::alike::{Alike, Called, alike, alike_findings, alike_in_safety, subject};
use super::doing::{ANY, Doing, services};
use super::said::{
    MOST_LINES, alike_asked, counted, forecast, not_asked, order_by_pool, pool_steps, pools, rules, same_of,
    sessions_now, together, why,
};
use super::verdict::verdict;
use super::{Preview, works};
use crate::style::{Look, Tone};
use crate::text::{clean, pad, width};
use crate::words;
use orchestrate_model::Verdict;
use orchestrate_planner::safety::Asked;
use orchestrate_planner::{Finding, Step, StepKind};

/// How much a preview says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Everything, what is the same of several servers once.
    Full,
    /// What has to be read before saying yes: the rules, the order, what is not safe, how long it takes, the findings.
    Brief,
}

/// Returns the preview as text. Each line ends with a newline.
#[must_use]
pub fn text(preview: &Preview<'_>, detail: Detail, look: &Look) -> String {
    let mut page = Page { preview: *preview, called: Called::of(preview), look, detail, lines: Vec::new() };
    page.head();
    page.rules();
    page.order();
    if detail == Detail::Full {
        page.reasons();
    }
    page.safety();
    if detail == Detail::Full {
        page.steps();
    }
    page.forecast();
    page.findings();
    if detail == Detail::Brief {
        // The log of the run follows.
        page.lines.push(String::new());
    }
    page.lines.push(String::new());
    page.lines.join("\n")
}

struct Page<'a> {
    preview: Preview<'a>,
    called: Called,
    look: &'a Look,
    detail: Detail,
    lines: Vec<String>,
}

/// Columns before the text of a step.
const STEP_INDENT: usize = 20;

impl<'a> Page<'a> {
    fn heading(&mut self, text: &str) {
        self.lines.push(String::new());
        self.lines.push(self.look.paint(Tone::Strong, text));
    }

    fn hang(&mut self, lead: &str, text: &str) {
        self.lines.extend(self.look.hang(lead, Tone::Plain, text));
    }

    fn head(&mut self) {
        let change = self.preview.plan.change();
        if let Some(instead) = self.preview.instead {
            self.lines.extend(self.look.hang("", Tone::Bad, &instead.text()));
            self.lines.push(String::new());
        }
        for (tone, text) in verdict(&self.preview, self.look) {
            self.lines.extend(self.look.hang("", tone, &text));
        }
        self.lines.push(String::new());
        self.lines.push(self.look.paint(Tone::Strong, &clean(&change.name)));
        if !change.reason.is_empty() {
            self.hang("  ", &clean(&change.reason));
        }
        if let Some(text) = words::emergency(change) {
            self.lines.extend(self.look.hang("  ", Tone::Bad, &text));
        }
        let short = self.preview.fingerprint.get(..12).unwrap_or(self.preview.fingerprint);
        self.hang("  ", &format!("plan {short}"));
        for said in pools(self.preview.plan) {
            self.hang("  ", &said);
        }
    }

    fn rules(&mut self) {
        self.heading("Rules");
        for (about, said) in rules(self.preview.plan) {
            self.hang(&format!("  {}", pad(about, 10)), &said);
        }
    }

    fn order(&mut self) {
        self.heading("Order");
        if self.preview.plan.work().len() > MOST_LINES {
            for (pool, said) in order_by_pool(self.preview.plan, &self.called) {
                self.hang("  ", &format!("{pool}: {said}"));
            }
            return;
        }
        let names = self.preview.plan.work().iter().map(|work| width(work.server.as_str())).max().unwrap_or(0);
        for (position, ((_, work), waits)) in works(self.preview.plan).zip(self.preview.waits()).enumerate() {
            let domain = work.upgrade_domain.as_ref().map(|domain| format!("  {domain}")).unwrap_or_default();
            let lead = format!("  {:>2}. {}{domain}  ", position + 1, pad(work.server.as_str(), names));
            let text = words::passed_over(self.preview.plan, work).unwrap_or_else(|| why(&waits));
            self.hang(&lead, &text);
        }
    }

    fn reasons(&mut self) {
        let mut kinds: Vec<StepKind> = self.preview.plan.steps().iter().map(|step| step.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        if kinds.is_empty() {
            return;
        }
        self.heading("The steps of a server, and why in this order");
        for kind in kinds {
            self.hang(&format!("  {}  ", pad(kind.word(), 12)), words::why_here(kind));
        }
    }

    fn safety(&mut self) {
        self.heading("Safety: may each server go out now?");
        if self.preview.report.safety.is_empty() {
            self.hang("  ", not_asked(&self.preview));
            return;
        }
        let preview = self.preview;
        for group in alike_in_safety(&preview.report.safety) {
            let asked = &group[0].asked;
            let yes = asked.iter().filter(|asked| asked.verdict.is_yes()).count();
            let all = asked.len();
            let (tone, said) = if group[0].silent {
                (Tone::Bad, format!("NO: no answer to anything, see O2018; {} of {all} questions stay open", all - yes))
            } else if yes == all {
                (Tone::Good, format!("yes: all {all} questions are answered with yes"))
            } else {
                (Tone::Bad, format!("NO: {} of {all} questions not answered with yes", all - yes))
            };
            let names = self.called.list(group.iter().map(|safety| &safety.server));
            if width(&names) + 4 + width(&said) > self.look.width {
                // Beside many names there is no room left for what is said of them.
                self.hang("  ", &names);
                self.lines.extend(self.look.hang("    ", tone, &said));
            } else {
                self.lines.extend(self.look.hang(&format!("  {names}  "), tone, &said));
            }
            if group[0].silent {
                continue;
            }
            if self.detail == Detail::Full && group.len() > 1 && yes > 0 {
                self.hang("    ", &format!("what speaks for {}; -o json has it of each server:", group[0].server));
            }
            let shown = asked
                .chunk_by(alike_asked)
                .filter(|alike| self.detail == Detail::Full || alike.iter().any(|asked| !asked.verdict.is_yes()));
            for alike in shown.collect::<Vec<_>>() {
                self.asked(alike);
            }
        }
    }

    /// Shows questions that have the same answer.
    fn asked(&mut self, alike: &[Asked]) {
        let [asked, others @ ..] = alike else {
            return;
        };
        let (question, text) = if others.is_empty() {
            (asked.question.to_string(), asked.verdict.text().to_owned())
        } else {
            let (called, about) = together(alike.iter().map(|asked| asked.question));
            (called, format!("{about}: {}", asked.verdict.text()))
        };
        let question = pad(&question, 36);
        let word = pad(asked.verdict.word(), 7);
        let painted = self.look.paint(words::verdict_tone(&asked.verdict), &word);
        let indent = 4 + width(&question) + 2 + 7 + 2;
        let mut rows = self.look.hang(&" ".repeat(indent), Tone::Plain, &clean(&text)).into_iter();
        if let Some(first) = rows.next() {
            self.lines.push(format!("    {question}  {painted}  {}", first.trim_start()));
        }
        self.lines.extend(rows);
        match &asked.verdict {
            Verdict::Yes(_) => {}
            Verdict::No(_) | Verdict::Unknown(_) => {
                self.hang(&" ".repeat(indent), &format!("do: {}", clean(&asked.advice)));
            }
        }
    }

    fn steps(&mut self) {
        let preview = self.preview;
        for group in alike(&preview) {
            let work = group.works[0].1;
            let names = self.called.list(group.works.iter().map(|(_, work)| &work.server));
            self.steps_heading(&names, &group);
            if let Some(why) = words::passed_over(preview.plan, work) {
                self.hang("  ", &why);
            }
            for (number, (step, does)) in group.steps.iter().enumerate() {
                self.step(number + 1, step, does);
                if step.kind == StepKind::Drain && group.works.len() > 1 {
                    let said = sessions_now(&self.preview, &self.called, &group);
                    said.iter().for_each(|said| self.hang(&" ".repeat(STEP_INDENT), said));
                }
            }
        }
        let pools = pool_steps(preview.plan);
        if !pools.is_empty() {
            self.heading("After the servers");
            for (number, (step, does)) in pools.iter().enumerate() {
                self.step(number + 1, step, does);
            }
        }
    }

    fn steps_heading(&mut self, names: &str, group: &Alike<'_>) {
        let services = services(group.works[0].1);
        let text = match group.works.len() {
            1 => format!("{names}: {services}"),
            several => format!("{several} servers, {services} each, the same steps for each {ANY}: {names}"),
        };
        self.lines.push(String::new());
        self.lines.extend(self.look.hang("", Tone::Strong, &text));
    }

    fn step(&mut self, number: usize, step: &Step, does: &[Doing]) {
        let certainty = format!("[{}]", step.certainty.word());
        let lead = format!("  {number:>2}  {}", pad(step.kind.word(), STEP_INDENT - 4));
        let certainty = self.look.paint(words::certainty_tone(step.certainty), &certainty);
        self.lines.push(format!("{lead}{certainty}"));
        for doing in does {
            let names: Vec<&str> = doing.services.iter().map(|service| service.as_str()).collect();
            if names.is_empty() {
                self.hang(&" ".repeat(STEP_INDENT), &doing.what);
            } else {
                self.hang(&" ".repeat(STEP_INDENT), &format!("{}:", doing.what));
                self.hang(&" ".repeat(STEP_INDENT + 2), &names.join(", "));
            }
        }
    }

    fn forecast(&mut self) {
        self.heading("Forecast, if every drain lasts until its deadline");
        for line in forecast(&self.preview, self.look) {
            self.hang("  ", &line);
        }
    }

    fn findings(&mut self) {
        let findings = self.preview.plan.findings();
        if findings.is_empty() {
            return;
        }
        self.heading(&format!("Findings: {}", counted(findings)));
        for (first, like) in alike_findings(findings) {
            self.lines.extend(self::finding(first, self.look));
            if let Some(said) = same_of(&like) {
                let indent = " ".repeat(2 + width(words::severity(first.severity)) + 1 + width(&first.code) + 2);
                self.hang(&indent, &said);
            }
        }
    }
}

/// Returns one finding as lines, with its advice.
#[must_use]
pub fn finding(finding: &Finding, look: &Look) -> Vec<String> {
    let place = subject(finding);
    // Most messages name their server or pool themselves.
    let named = place.is_empty() || finding.message.contains(place);
    let place = if named { String::new() } else { format!("{place}: ") };
    let word = words::severity(finding.severity);
    let painted = look.paint(words::severity_tone(finding.severity), &format!("{word} {}", finding.code));
    let lead_width = 2 + width(word) + 1 + width(&finding.code) + 2;
    let mut rows = look.hang(&" ".repeat(lead_width), Tone::Plain, &format!("{place}{}", clean(&finding.message)));
    if let Some(first) = rows.first_mut() {
        *first = format!("  {painted}  {}", first.trim_start());
    }
    if !finding.advice.is_empty() {
        rows.extend(look.hang(&" ".repeat(lead_width), Tone::Plain, &format!("do: {}", clean(&finding.advice))));
    }
    rows
}
