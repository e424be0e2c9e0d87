//! The pages and the HTTP API of `serve`.
//!
//! Belongs here: paths and methods, who is signed in and may change anything, events, the bounds of a request, the text of
//! measures, and where is listened. Does not belong here: what a plan or a run is, what a page looks like, files of runs, the
//! terminal, and TLS: only this machine is answered, and other listeners are refused before this crate is asked.

mod api;
mod door;
mod events;
mod listen;
mod measures;
mod pages;
mod socket;
mod token;

pub use api::{Decision, Order, Refused, Source, router};
pub use axum::http::HeaderName;
pub use door::{Trust, Visitor};
pub use events::{Piece, Told};
pub use listen::{Accept, Bounds, answer};
pub use measures::Measures;
pub use pages::{Assets, Form, Page};
pub use socket::{FileListener, Socket, bind};
pub use token::{Token, TokenError};
