//! How much is under way at once, and for how long. All numbers of that kind stand here, each with its reason.
//!
//! Whoever waits for a turn is not late: the time of a question starts when it is asked.

use std::time::Duration;

/// After how long whoever looks gives up on a look and takes nothing from it, by the runtime's time. Drivers have limits
/// of their own that are shorter, so that what they have read until then is not lost.
pub const LOOK_LIMIT: Duration = Duration::from_secs(150);

/// How long any act may take to be accepted, by the runtime's time. See the limit on looks.
pub const ACT_LIMIT: Duration = Duration::from_secs(150);

/// Within what time acts that are asked for together are begun, by the runtime's time; what is not begun by then is asked for
/// again. Why 10 s: a service takes a control within a moment, so thirty of them fit in on a slow server; and a look of 20 s,
/// the longest that the rest of a pool may take, is still fresh evidence for the last of them.
pub const TOGETHER: Duration = Duration::from_secs(10);

/// Servers that are looked at at once. Why 64: a look costs this machine some ten milliseconds of computing, more when
/// connections are opened, so that on two cores the last of 64 is not held up by more than a second; three of the largest
/// pools fit in at once, whose evidence has to be of one moment. Of a thousand servers that take six seconds each,
/// all are seen in a minute and a half.
pub const SERVERS_AT_ONCE: usize = 64;

/// Servers in all looks that are under way or wait for their turn. What was seen of the first server of a look is kept
/// until its last has answered, a few kilobytes each: a pool of thousands, looked at for each of a hundred servers that go
/// at once, would fill gigabytes. Why 2,000: the largest pool that anybody has shown, so that it is looked at whole.
pub const SERVERS_IN_LOOKS: u32 = 2_000;

/// Looks at one server at once. Its connections carry one request at a time anyway; with two, a look that hangs does not
/// hold up the next.
pub const LOOKS_PER_SERVER: usize = 2;

/// Balancers that are looked at at once. HAProxy serves ten connections of its runtime API at once, and several pools may
/// be behind one; acts need room beside looks.
pub const BALANCERS_AT_ONCE: usize = 6;

/// Pools that are looked at at once when all are: enough to keep [`SERVERS_AT_ONCE`] busy with pools of a few servers,
/// so few that the looks at one pool lie close together.
pub const POOLS_AT_ONCE: usize = 16;

/// Pools whose names are looked up at once. What is seen of the names of one pool is dated by its first question, so its
/// questions are not to wait for those of all other pools.
pub const RESOLVED_AT_ONCE: usize = 8;

/// Questions under way to all name servers together: far below the usual limit of 1,024 open files.
pub const QUESTIONS_AT_ONCE: usize = 256;

/// Questions under way to one name server. A pool of 17 servers is some 40 questions, which fit into one round even when
/// the server is silent, so that the evidence stays young; a name server's queue of datagrams takes some hundred.
pub const QUESTIONS_PER_NAME_SERVER: usize = 48;

/// Acts need no number: a server in work has one at a time, or one exchange of them, and what may be in work at once is the plan's
/// to say.
const _: () = assert!(SERVERS_AT_ONCE >= POOLS_AT_ONCE && QUESTIONS_AT_ONCE > QUESTIONS_PER_NAME_SERVER);
