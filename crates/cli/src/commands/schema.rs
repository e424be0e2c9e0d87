//! `orchestrate schema`: the JSON Schema of plan files.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::terminal::output;

pub(crate) fn run() -> Result<Exit, Failure> {
    output::data(&format!("{:#}\n", orchestrate_config::json_schema()))?;
    Ok(Exit::Done)
}
