//! Facts in, a page out. What a template is for says the ending of its name, and so does how texts are escaped in it.

use crate::text::clean;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment};
use serde::Serialize;
use std::fmt;
use std::sync::LazyLock;

const TEMPLATES: [(&str, &str); 18] = [
    ("style.css", STYLE),
    ("timeline.css", TIMELINE_STYLE),
    ("report.md", include_str!("report/report.md")),
    ("preview.html", include_str!("preview/preview.html")),
    ("base.html", include_str!("pages/base.html")),
    ("run.html", include_str!("pages/run.html")),
    ("run_head.html", include_str!("pages/run_head.html")),
    ("run_holds.html", include_str!("pages/run_holds.html")),
    ("run_timeline.html", include_str!("pages/run_timeline.html")),
    ("run_server.html", include_str!("pages/run_server.html")),
    ("run_story.html", include_str!("pages/run_story.html")),
    ("run_rest.html", include_str!("pages/run_rest.html")),
    ("list.html", include_str!("pages/list.html")),
    ("list_campaigns.html", include_str!("pages/list_campaigns.html")),
    ("list_runs.html", include_str!("pages/list_runs.html")),
    ("calendar.html", include_str!("pages/calendar.html")),
    ("form.html", include_str!("pages/form.html")),
    ("timeline.svg", include_str!("preview/timeline.svg")),
];

/// The look of every page.
pub(crate) const STYLE: &str = include_str!("pages/style.css");
/// The look of the timeline, which is a picture of its own too.
pub(crate) const TIMELINE_STYLE: &str = include_str!("pages/timeline.css");

/// A page could not be written: a mistake of the program.
#[derive(Debug)]
pub struct Unwritten(String);

impl Unwritten {
    pub(crate) fn because(error: &dyn fmt::Display) -> Self {
        Self(error.to_string())
    }
}

impl fmt::Display for Unwritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the page cannot be written: {}", self.0)
    }
}

impl std::error::Error for Unwritten {}

/// Returns the page that a template makes of these facts.
///
/// # Errors
/// The template is wrong.
pub(crate) fn rendered(name: &str, facts: &impl Serialize) -> Result<String, Unwritten> {
    let templates = ALL.as_ref().map_err(|why| Unwritten(why.clone()))?;
    let wrong = |error: minijinja::Error| Unwritten(format!("{error:#}"));
    let template = templates.get_template(name).map_err(wrong)?;
    template.render(Serde(facts)).map_err(wrong)
}

/// All templates, read once: a page of two hundred servers is made of four hundred pieces.
static ALL: LazyLock<Result<Environment<'static>, String>> =
    LazyLock::new(|| all().map_err(|error| format!("{error:#}")));

fn all() -> Result<Environment<'static>, minijinja::Error> {
    let mut templates = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
    templates.set_syntax(syntax?);
    templates.set_auto_escape_callback(|name| {
        let markup = [".html", ".svg"].iter().any(|ending| name.ends_with(ending));
        if markup { AutoEscape::Html } else { AutoEscape::None }
    });
    templates.add_filter("cell", cell);
    templates.add_filter("line", line);
    templates.add_filter("clean", |text: &str| clean(text));
    for (name, source) in TEMPLATES {
        templates.add_template(name, source)?;
    }
    Ok(templates)
}

/// Returns a text as it stands in a line of Markdown: nothing in it is markup. Servers and people write these texts.
fn line(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' | '!' => safe.extend(['\\', c]),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            other => safe.push(other),
        }
    }
    safe
}

/// Returns a text as it stands in a cell of a table in Markdown.
pub(crate) fn cell(text: &str) -> String {
    if text.is_empty() { " ".to_owned() } else { line(text) }
}
