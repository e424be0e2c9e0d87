//! The HTTP API of `serve`.
//!
//! Belongs here: paths and methods, who may change anything, the bounds of a request, the text of measures, and where is
//! listened. Does not belong here: what a plan or a run is, files of runs, the terminal, and TLS: only this machine is
//! answered, and other listeners are refused before this crate is asked.

mod api;
mod listen;
mod measures;
mod socket;
mod token;

pub use api::{Order, Refused, Source, router};
pub use listen::{Accept, Bounds, answer};
pub use measures::Measures;
pub use socket::{FileListener, Socket, bind};
pub use token::{Token, TokenError};
