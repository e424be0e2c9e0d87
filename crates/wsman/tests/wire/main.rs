//! The client against a server on loopback that answers, refuses, fails and lies.

#[cfg(test)]
mod failures;
#[cfg(test)]
mod loopback;
#[cfg(test)]
mod operations;
#[cfg(test)]
mod recorded;
