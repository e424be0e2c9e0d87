//! The words of `orchestrate`: validated names, pools, servers, services, changes, observations and acts, and the
//! catalogue of what is known about the services of each product.
//!
//! Belongs here: types that several crates speak in, and facts. Does not belong here: files, formats, the clock,
//! anything async, and every decision. The crate must not know how a plan is made or how a server is reached.
#![warn(clippy::wildcard_enum_match_arm)]

pub mod act;
pub mod answer;
pub mod balancer;
pub mod catalogue;
pub mod change;
pub mod exit_code;
pub mod external;
pub mod hold;
pub mod host;
pub mod ids;
pub mod lease;
pub mod look_alike;
pub mod notify;
pub mod observe;
pub mod pool;
pub mod probe;
pub mod product;
pub mod readable;
pub mod secret;
pub mod service;
pub mod text;
pub mod time;
pub mod version;
pub mod window;

pub use act::{Act, ActOutcome, InstallerRun, InstallerToken, Target};
pub use answer::{Answer, Verdict};
pub use change::Change;
pub use external::ExternalUse;
pub use ids::{DnsName, Label, NameError, PoolName, RunId, ServerName, ServiceName, UpgradeDomain};
pub use lease::{Keeper, Lease, LeaseAsk, LeaseOutcome, LeaseState};
pub use observe::{Ask, PoolObservation, ServerObservation};
pub use pool::{Pool, Server};
pub use product::{Feature, Product, Role};
pub use service::{RunState, ServiceStatus, StartMode, StartType};
pub use version::{Level, Version};
