//! The client against programs that others wrote: hosts that are nearly Windows in a domain, and servers with the
//! acceptors of pyspnego and MIT.

#[cfg(test)]
mod acceptors;
#[cfg(test)]
mod domain;
#[cfg(test)]
mod hosts;
