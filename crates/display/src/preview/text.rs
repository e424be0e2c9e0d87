//! The preview for people: readable at two in the morning.

use super::alike::{Alike, Called, alike, alike_findings, alike_in_safety, subject};
use super::doing::{ANY, Doing, doings, scope, services, sessions};
use super::verdict::verdict;
use super::{Preview, Waits, works};
use crate::style::{Look, Tone};
use crate::text::{clean, count, duration, list, pad, width};
use crate::words;
use jiff::Timestamp;
use orchestrate_model::change::WindowFit;
use orchestrate_model::{Pool, ServerName, ServiceName, Verdict};
use orchestrate_planner::forecast::Forecast;
use orchestrate_planner::plan::StepTarget;
use orchestrate_planner::safety::{Asked, Covered, Question};
use orchestrate_planner::{Finding, Severity, Step, StepKind, quorum};
use std::collections::BTreeMap;

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

/// Most servers that have a line, or a number, of their own. More are told together.
const MOST_LINES: usize = 16;

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
        self.pools();
    }

    /// Names the pools: those of one kind together, where they are many.
    fn pools(&mut self) {
        let pools = &self.preview.plan.change().pools;
        if pools.len() <= MOST_LINES {
            for pool in pools {
                self.hang("  ", &format!("{}: {}", pool.name, kind_of(pool)));
            }
            return;
        }
        let mut kinds: Vec<(String, Vec<&str>)> = Vec::new();
        for pool in pools {
            let kind = kind_of(pool);
            match kinds.iter_mut().find(|(known, _)| *known == kind) {
                Some((_, names)) => names.push(pool.name.as_str()),
                None => kinds.push((kind, vec![pool.name.as_str()])),
            }
        }
        for (kind, names) in kinds {
            self.hang("  ", &format!("{}, {kind} each: {}", count(names.len() as u64, "pool"), names.join(", ")));
        }
    }

    fn rules(&mut self) {
        let change = self.preview.plan.change();
        self.heading("Rules");
        self.hang("  blocks    ", &scope(self.preview.plan));
        self.hang("  budget    ", &words::budget(change));
        self.hang("  drain     ", &words::drain_rule(change));
        self.hang("  stop      ", &words::stop_when(change.stop_when));
        let fabric = change.pools.iter().filter(|pool| pool.has_fabric() && pool.servers.len() > 1);
        for said in once_each(fabric.map(|pool| (pool.name.as_str(), cold_start(pool)))) {
            self.hang("  start     ", &said);
        }
        for feature in &change.maintenance.accept_loss {
            self.hang("  accepted  ", &format!("the loss of {feature}: {}", feature.loss()));
        }
        for (pool, why) in change.pools.iter().filter_map(|pool| Some((pool, pool.accept_outage.as_ref()?))) {
            self.hang("  accepted  ", &format!("{} is without service meanwhile: {}", pool.name, clean(why)));
        }
        let alone: Vec<&str> = change.maintenance.drain.by_sessions_alone.iter().map(ServiceName::as_str).collect();
        if !alone.is_empty() {
            let text = "drained by their sessions alone where a server has no draining state, because the plan says so";
            self.hang("  accepted  ", &format!("{}: {text}", alone.join(", ")));
        }
        for channel in &change.notify {
            let on: Vec<&str> = channel.on.iter().map(|occasion| occasion.word()).collect();
            self.hang("  tells     ", &format!("by {}: {}", channel.to.word(), on.join(", ")));
        }
        for (service, wait) in &change.maintenance.unmeasured {
            self.hang("  accepted  ", &format!("{service} cannot be measured: waits {} instead", duration(*wait)));
        }
    }

    fn order(&mut self) {
        self.heading("Order");
        if self.preview.plan.work().len() > MOST_LINES {
            self.order_by_pool();
            return;
        }
        let names = self.preview.plan.work().iter().map(|work| width(work.server.as_str())).max().unwrap_or(0);
        for (position, ((_, work), waits)) in works(self.preview.plan).zip(self.preview.waits()).enumerate() {
            let domain = work.upgrade_domain.as_ref().map(|domain| format!("  {domain}")).unwrap_or_default();
            let lead = format!("  {:>2}. {}{domain}  ", position + 1, pad(work.server.as_str(), names));
            let text = match &work.skip {
                Some(why) => format!("passed over: {}", clean(why)),
                None => why(&waits),
            };
            self.hang(&lead, &text);
        }
    }

    /// Names the servers of each pool in their order, those that are passed over apart.
    fn order_by_pool(&mut self) {
        let plan = self.preview.plan;
        for pool in &plan.change().pools {
            let own = || plan.work().iter().filter(|work| plan.pool_of(work).name == pool.name);
            let go: Vec<&ServerName> = own().filter(|work| work.skip.is_none()).map(|work| &work.server).collect();
            let mut over: BTreeMap<String, Vec<&ServerName>> = BTreeMap::new();
            for (work, why) in own().filter_map(|work| Some((work, work.skip.as_ref()?))) {
                // What is said of a server names it.
                let why = clean(why).replace(work.server.as_str(), ANY).replace(work.server.short(), ANY);
                over.entry(why).or_default().push(&work.server);
            }
            if !go.is_empty() {
                let names = self.called.list(go.iter().copied());
                self.hang("  ", &format!("{}: {}", pool.name, names));
            }
            for (why, names) in over {
                let names = self.called.list(names.iter().copied());
                self.hang("  ", &format!("{}: passed over: {names}: {why}", pool.name));
            }
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
            let why = if self.preview.seen.is_empty() {
                "not asked: this preview was made without looking at the servers"
            } else {
                "not asked: no server has anything to be done"
            };
            self.hang("  ", why);
            return;
        }
        let preview = self.preview;
        for group in alike_in_safety(&preview.report.safety) {
            let asked = &group[0].asked;
            let yes = asked.iter().filter(|asked| asked.verdict.is_yes()).count();
            let all = asked.len();
            let (tone, said) = if yes == all {
                (Tone::Good, format!("yes: all {all} questions are answered with yes"))
            } else {
                (Tone::Bad, format!("NO: {} of {all} questions not answered with yes", all - yes))
            };
            let names = self.called.list(group.iter().map(|safety| &safety.server));
            self.lines.extend(self.look.hang(&format!("  {names}  "), tone, &said));
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
            let features: Vec<String> = alike.iter().filter_map(|asked| feature(asked.question)).collect();
            (
                format!("{} questions: features covered", alike.len()),
                format!("{}: {}", list(&features), asked.verdict.text()),
            )
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
            if let Some(why) = &work.skip {
                self.hang("  ", &format!("passed over: {}", clean(why)));
            }
            for (number, (step, does)) in group.steps.iter().enumerate() {
                self.step(number + 1, step, does);
                if step.kind == StepKind::Drain && group.works.len() > 1 {
                    self.sessions_now(&group);
                }
            }
        }
        let pools: Vec<&Step> =
            preview.plan.steps().iter().filter(|step| matches!(step.target, StepTarget::Pool(_))).collect();
        if !pools.is_empty() {
            self.heading("After the servers");
            let mut told: Vec<Vec<Doing>> = Vec::new();
            for step in pools {
                let does = doings(preview.plan, step, None);
                if !told.contains(&does) {
                    self.step(told.len() + 1, step, &does);
                    told.push(does);
                }
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

    /// Says how many sessions each server of a group has now; of many servers the sum, and the most.
    fn sessions_now(&mut self, group: &Alike<'_>) {
        let counted = group.works.iter().filter_map(|(_, work)| {
            let seen = self.preview.seen(work)?;
            Some((&work.server, sessions(work, seen)))
        });
        let counted: Vec<(&ServerName, u64)> = counted.collect();
        let Some((busiest, most)) = counted.iter().max_by_key(|(_, sessions)| *sessions) else { return };
        let text = if counted.len() > MOST_LINES {
            let all = counted.iter().map(|(_, sessions)| sessions).fold(0, |all: u64, one| all.saturating_add(*one));
            format!("sessions now: {all} on {} servers, most on {busiest}: {most}", counted.len())
        } else {
            let each: Vec<String> =
                counted.iter().map(|(server, sessions)| format!("{} {sessions}", self.called.one(server))).collect();
            format!("sessions now: {}", each.join(", "))
        };
        self.hang(&" ".repeat(STEP_INDENT), &text);
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
        let forecast = &self.preview.report.forecast;
        self.heading("Forecast, if every drain lasts until its deadline");
        let at = |time: Option<Timestamp>| time.map_or_else(|| "never".to_owned(), |time| self.look.date_time(time));
        let (length, likely) = (duration(forecast.length), duration(forecast.likely));
        let mut lines = vec![
            self.outages(forecast),
            match duration(forecast.lower_bound) {
                least if least == length => {
                    format!("{length} in all, likely {likely}; no order of the servers takes less")
                }
                least => format!("{length} in all, likely {likely}; no order of the servers takes less than {least}"),
            },
            match (forecast.begins, forecast.ends) {
                (Some(_), None) if forecast.servers > 0 => {
                    format!("from {}; not all of it fits into the windows that are left", at(forecast.begins))
                }
                (begins, ends) => format!("from {} to {}", at(begins), at(ends)),
            },
        ];
        if let Some(openings) = forecast.openings.filter(|openings| *openings > 1) {
            lines.push(format!("spread over {}", count(openings as u64, "window")));
        }
        if let Some(batches) = forecast.batches_per_opening {
            let each = match self.preview.plan.change().maintenance.fit {
                WindowFit::Worst => "at worst".to_owned(),
                WindowFit::Likely => format!("of {} each, with the reserve", duration(forecast.room)),
            };
            lines.push(format!("the next window has room for {} {each}", count(batches, "batch")));
        }
        for line in lines {
            self.hang("  ", &line);
        }
    }

    /// Says how many servers go out, for how long, and whether at once.
    fn outages(&self, forecast: &Forecast) -> String {
        let servers = count(forecast.servers as u64, "server");
        let one = format!("{}, likely for {}", duration(forecast.one_server), duration(forecast.one_likely));
        let change = self.preview.plan.change();
        match (forecast.servers, change.maintenance.at_once, change.pools.len()) {
            (0 | 1, ..) => format!("{servers} out, for up to {one}"),
            (_, 1, 1) => format!("{servers}, one after another, each out for up to {one}"),
            (_, most, 1) => format!("{servers}, at most {most} at once, each out for up to {one}"),
            (_, most, _) => format!("{servers}, at most {most} of a pool at once, each out for up to {one}"),
        }
    }

    fn findings(&mut self) {
        let findings = self.preview.plan.findings();
        if findings.is_empty() {
            return;
        }
        let many = |severity| findings.iter().filter(|finding| finding.severity == severity).count() as u64;
        let counted = [Severity::Refusal, Severity::Warning, Severity::Note]
            .into_iter()
            .filter(|severity| many(*severity) > 0)
            .map(|severity| count(many(severity), words::severity(severity)));
        let counted: Vec<String> = counted.collect();
        self.heading(&format!("Findings: {}", list(&counted)));
        for (first, like) in alike_findings(findings) {
            self.lines.extend(self::finding(first, self.look));
            if !like.is_empty() {
                let indent = " ".repeat(2 + width(words::severity(first.severity)) + 1 + width(&first.code) + 2);
                let named = &like[..like.len().min(MOST_LINES)];
                let more = match like.len() - named.len() {
                    0 => String::new(),
                    more => format!(" and {more} more, which -o json names"),
                };
                self.hang(&indent, &format!("the same of {}{more}", named.join(", ")));
            }
        }
    }
}

/// Says why a server has its place in the order.
fn why(waits: &Waits<'_>) -> String {
    if waits.is_empty() {
        return "first: nothing has to be finished before it".to_owned();
    }
    let said: Vec<String> = waits
        .iter()
        .map(|(name, reasons)| {
            let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
            format!("after {name} ({})", reasons.join("; "))
        })
        .collect();
    said.join(", ")
}

/// Returns whether two questions are about features with one and the same answer, which is then shown once.
fn alike_asked(one: &Asked, other: &Asked) -> bool {
    let features = feature(one.question).is_some() && feature(other.question).is_some();
    features && one.verdict == other.verdict && one.advice == other.advice
}

fn feature(question: Question) -> Option<String> {
    match question {
        Question::Coverage(Covered::Feature(feature)) => Some(feature.to_string()),
        Question::Coverage(Covered::Records | Covered::WebName | Covered::External)
        | Question::Fresh
        | Question::Budget
        | Question::SharedBudget
        | Question::Remaining
        | Question::Quorum
        | Question::UpgradeDomain
        | Question::Balancer
        | Question::Ready
        | Question::Replication
        | Question::CentralManagement
        | Question::Lease
        | Question::Blockable
        | Question::Staged
        | Question::Fit => None,
    }
}

/// Returns what is said of several pools once, with `POOL` for the name of each; what is said of one names it.
fn once_each<'p>(said: impl Iterator<Item = (&'p str, String)>) -> Vec<String> {
    let mut texts: Vec<(String, &str, usize)> = Vec::new();
    for (pool, text) in said {
        match texts.iter_mut().find(|(known, ..)| *known == text) {
            Some((_, _, pools)) => *pools += 1,
            None => texts.push((text, pool, 1)),
        }
    }
    let told = texts.into_iter().map(|(text, pool, pools)| match pools {
        1 => text.replace(EACH, pool),
        several => format!("{} ({several} pools)", text.replace(EACH, "each pool")),
    });
    told.collect()
}

/// What stands for the name of a pool until it is known of how many the same is said.
const EACH: &str = "\u{fffc}";

/// Returns what a pool needs to come up when all of it was down, which no run brings about and every operator fears.
fn cold_start(pool: &Pool) -> String {
    let servers = pool.servers.len();
    match u32::try_from(servers).ok().and_then(|servers| quorum::start(pool.product, servers)) {
        Some(need) => format!("after a full stop {EACH} starts once {need} of its {servers} servers run"),
        None => format!("after a full stop: not documented for {servers} servers ({EACH})"),
    }
}

fn kind_of(pool: &Pool) -> String {
    let servers = count(pool.servers.len() as u64, "server");
    format!("{}, {}, {servers}", pool.product.title(), pool.role)
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
