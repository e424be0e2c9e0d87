//! The driver against a small imitation of the wire.

#[cfg(test)]
mod acts;
#[cfg(test)]
mod counters;
#[cfg(test)]
mod details;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod looks;
#[cfg(test)]
#[path = "../../../wsman/tests/wire/loopback.rs"]
#[expect(dead_code, reason = "shared with the tests of the client, which use more of it")]
mod loopback;
#[cfg(test)]
mod names;
#[cfg(test)]
mod stays;
#[cfg(test)]
mod together;
