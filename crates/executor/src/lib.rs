//! The loop that performs the engine's effects through drivers.
//!
//! Belongs here: taking looks, performing acts, waiting, how many at once and on which threads, and the order in which
//! effects are carried out. Does
//! not belong here: decisions (the engine's), plan files, transports, terminals. An act is performed only with the journal's
//! receipt for its intent, and only while the claim on the pools holds (promises P6, P12).

mod act;
mod crew;
mod events;
mod lease;
mod look;
mod pulse;
mod run;

pub use act::{Fence, NoFence};
pub use crew::Crew;
pub use events::{Event, Events, Heard, Listener, Quiet};
pub use look::{look, survey, survey_of};
pub use pulse::Pulse;
pub use run::{Finished, Run, RunError};

/// What the engine tells of the time that an answer may take is what the drivers keep. The engine may not know of them.
const _: () = {
    let told = orchestrate_engine::constants::ANSWER_LIMIT.as_secs().unsigned_abs();
    assert!(
        told == orchestrate_driver::limits::LOOK_LIMIT.as_secs(),
        "the engine tells another limit than drivers have"
    );
    let together = orchestrate_engine::constants::TOGETHER.as_secs().unsigned_abs();
    assert!(
        together == orchestrate_driver::limits::TOGETHER.as_secs(),
        "the engine counts with another time for acts at once than drivers take"
    );
};
