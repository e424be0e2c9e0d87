//! The client against programs that others wrote: hosts that are nearly Windows in a domain, and servers with the
//! acceptors of pyspnego and MIT. All of them run on Unix.
#![cfg(unix)]

#[cfg(test)]
mod acceptors;
#[cfg(test)]
mod domain;
#[cfg(test)]
mod hosts;
#[cfg(test)]
#[cfg(feature = "system-kerberos")]
mod ticket;
