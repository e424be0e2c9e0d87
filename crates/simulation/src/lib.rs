//! The real planner, engine, executor and journal on servers in memory, in virtual time.
//!
//! Belongs here: a world with faults by seed, an oracle that knows its true state and checks the promises, and the
//! forecast that operators get of their own change. Does not belong here: transports, files, terminals, and any
//! decision of a run. The oracle shares no code with the engine.

mod dice;
mod drive;
mod faults;
mod forecast;
mod hunt;
mod mutation;
mod operator;
mod oracle;
mod runner;
mod scenario;
mod several;
#[cfg(test)]
mod tests;
mod world;

pub use faults::Fault;
pub use forecast::{
    FaultForecast, Forecast, Moment, Options, Rehearsal, Resumption, SCHEMA, ServerForecast, SessionAssumption,
    SimulateError, Spread, simulate, simulate_telling,
};
pub use hunt::{again, control, hunt, hunt_on_all};
pub use mutation::Mutation;
pub use oracle::Violation;
pub use runner::{Night, Timeline};
pub use scenario::example_change;
