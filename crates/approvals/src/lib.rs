//! Signed approvals: the text that a person signs with an SSH key, the people who may sign, and the judgement of what has
//! been signed.
//!
//! Belongs here: the form of the text, `allowed_signers` files of OpenSSH, signatures as `ssh-keygen -Y sign` makes them, and
//! how many different people have said yes to which plan. Does not belong here: where files are and whose they are, the
//! clock, what a plan is, and what follows from an approval that is missing.

mod judge;
mod request;
mod signers;

pub use judge::{Counted, Demand, Examined, Found, Good, Reason, Short, Times, examine};
pub use request::{MOST_CHARACTERS, Request, Work};
pub use signers::{BadSigners, Signers};

/// What signatures are for: a signature for something else, such as a commit, is no approval.
pub const NAMESPACE: &str = "orchestrate-approval";

/// The codes of refusals. Each has a page.
pub mod codes {
    /// Nobody has signed.
    pub const UNSIGNED: &str = "O3020";
    /// An approval is not good any more, or not yet, or for longer than the plan allows.
    pub const EXPIRED: &str = "O3021";
    /// The key is not one of the approver's.
    pub const WRONG_KEY: &str = "O3022";
    /// The signature is for something else.
    pub const WRONG_NAMESPACE: &str = "O3023";
    /// Fewer people have approved than the plan needs.
    pub const TOO_FEW: &str = "O3024";
    /// One person has signed twice.
    pub const TWICE: &str = "O3025";
    /// What was approved is another plan file.
    pub const OTHER_PLAN: &str = "O3026";
    /// The plan file is the same, and the servers need another plan.
    pub const OTHER_POOL: &str = "O3027";
    /// The text or its signature cannot be used.
    pub const UNREADABLE: &str = "O3028";
    /// The file of those who may sign cannot be used.
    pub const NO_SIGNERS: &str = "O3029";
}
