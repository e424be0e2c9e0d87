//! `orchestrate explain`: a page for every diagnostic.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::terminal::output;

pub(crate) fn run(code: Option<&str>) -> Result<Exit, Failure> {
    let text = match code {
        None => {
            let lines: Vec<String> =
                orchestrate_config::codes().iter().map(|page| format!("{}  {}\n", page.code, page.title())).collect();
            lines.concat()
        }
        Some(code) => {
            let page = orchestrate_config::explain(code);
            page.ok_or_else(|| Failure::NoSuchCode { code: code.to_owned() })?.trim_end().to_owned() + "\n"
        }
    };
    output::data(&text)?;
    Ok(Exit::Done)
}
