//! Tests of the whole product.

pub mod cli;
mod signals;
pub mod terminal;
