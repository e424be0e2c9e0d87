//! The client against programs that others wrote: hosts that are nearly Windows in a domain, and servers with the
//! acceptors of pyspnego and MIT.
#![expect(clippy::unwrap_used, reason = "a test stops at the first thing it did not expect")]

#[cfg(test)]
mod acceptors;
#[cfg(test)]
mod domain;
#[cfg(test)]
mod hosts;
