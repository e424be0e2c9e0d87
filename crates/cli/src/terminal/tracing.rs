//! Traces for developers, to stderr and only on demand.

use crate::failure::Failure;
use tracing_subscriber::EnvFilter;

/// Starts tracing when somebody asked for it.
///
/// # Errors
/// The filter cannot be understood.
pub(crate) fn start(filter: Option<&str>) -> Result<(), Failure> {
    let Some(filter) = filter.filter(|filter| !filter.is_empty()) else {
        return Ok(());
    };
    let filter = EnvFilter::try_new(filter).map_err(|error| Failure::Usage(format!("--log {filter}: {error}")))?;
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    Ok(())
}
