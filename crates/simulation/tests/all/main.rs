//! The hunt for broken promises, and the proof that it would find them.

mod forecast;
mod former_seeds;
mod mutations;
mod seeds;
