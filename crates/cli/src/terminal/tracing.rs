//! Traces for developers, to stderr and only on demand.

use crate::failure::Failure;
use anstream::{AutoStream, ColorChoice};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{FilterExt as _, FilterFn};
use tracing_subscriber::prelude::*;

/// Libraries that handle secrets.
const QUIET: [&str; 2] = ["sspi", "picky"];

/// Starts tracing when somebody asked for it.
///
/// # Errors
/// The filter cannot be understood.
pub(crate) fn start(filter: Option<&str>) -> Result<(), Failure> {
    let Some(filter) = filter.filter(|filter| !filter.is_empty()) else {
        return Ok(());
    };
    let filter = EnvFilter::try_new(filter).map_err(|error| Failure::Usage(format!("--log {filter}: {error}")))?;
    // Whatever the filter says: these trace tokens, keys and what they decrypt.
    let quiet = FilterFn::new(|data| !QUIET.iter().any(|name| data.target().starts_with(name)));
    // A file, or a console that shows the codes of colours as characters, gets none.
    let colours = AutoStream::choice(&std::io::stderr()) != ColorChoice::Never;
    let layer = tracing_subscriber::fmt::layer().with_ansi(colours).with_writer(std::io::stderr);
    let layer = layer.with_filter(filter.and(quiet));
    tracing_subscriber::registry().with(layer).init();
    Ok(())
}
