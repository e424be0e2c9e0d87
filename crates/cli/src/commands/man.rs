//! `orchestrate man`: the manual pages, made from what the help says.

use crate::args::Cli;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::terminal::output;
use clap::CommandFactory;
use orchestrate_model::text;

pub(crate) fn run(name: Option<&str>) -> Result<Exit, Failure> {
    let mut command = Cli::command();
    command.build();
    let page = match name {
        None => command,
        Some(name) => {
            let known = || command.get_subcommands().filter(|command| !command.is_hide_set());
            let names: Vec<&str> = known().map(clap::Command::get_name).collect();
            let none = || {
                Failure::Usage(format!("there is no command {}; there are {}", text::quoted(name), names.join(", ")))
            };
            known().find(|command| command.get_name() == name).cloned().ok_or_else(none)?
        }
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(page).render(&mut text).map_err(Failure::Output)?;
    output::data(&String::from_utf8_lossy(&text))?;
    Ok(Exit::Done)
}
