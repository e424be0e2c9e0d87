//! Tests of the whole product.

pub mod cli;
pub mod schemas;
mod signals;
pub mod terminal;
