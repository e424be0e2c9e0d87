//! `orchestrate explain`: a page for every diagnostic.

use crate::args::TextOrJson;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::terminal::output;
use orchestrate_config::Page;
use serde_json::{Value, json};

/// The version of the pages for programs. It rises when a key changes its meaning or goes away; new keys may come at any time.
const VERSION: u32 = 1;

pub(crate) fn run(code: Option<&str>, format: TextOrJson) -> Result<Exit, Failure> {
    let all = orchestrate_config::codes();
    let pages = match code {
        None => all,
        Some(code) => {
            let found = all.iter().position(|page| page.code.eq_ignore_ascii_case(code.trim()));
            let found = found.ok_or_else(|| Failure::NoSuchCode { code: code.to_owned() })?;
            &all[found..=found]
        }
    };
    output::data(&match (format, code) {
        (TextOrJson::Json, _) => format!("{:#}\n", document(pages)),
        (TextOrJson::Text, None) => pages.iter().map(|page| format!("{}  {}\n", page.code, page.title())).collect(),
        (TextOrJson::Text, Some(_)) => pages.iter().map(|page| format!("{}\n", page.text.trim_end())).collect(),
    })?;
    Ok(Exit::Done)
}

fn document(pages: &[Page]) -> Value {
    let pages = pages.iter().map(|page| json!({"code": page.code, "title": page.title(), "text": page.text}));
    json!({"version": VERSION, "pages": pages.collect::<Vec<_>>()})
}
