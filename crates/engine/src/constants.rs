//! The numbers of a run. Each says why it is what it is, and what would allow another.

use jiff::SignedDuration;

/// How long each step may take. The planner has the table, because the window rule and the forecast count with it too.
pub use orchestrate_planner::limits::{
    BALANCER_BACK, BLOCK_DEADLINE, GATE_DEADLINE, INSTALLER_BUSY, INSTALLER_GRACE, RESTART_DEADLINE, RESTART_SHOWS,
    RETURN_DEADLINE, SELF_START, STOP_DEADLINE, VERIFY_DEADLINE,
};

/// Between two samples of a drain. Ten seconds is what the domain reference proposes; shorter ones cost the servers
/// more and prove no more, since three of them in a row are needed.
pub const DRAIN_SAMPLE: SignedDuration = SignedDuration::from_secs(10);

/// Between two looks at a drain as long as at least so many sessions are left; with fewer it is [`DRAIN_SAMPLE`]. Every look
/// costs a server that still serves people some twenty questions. Half of the sessions end in about the same time, whatever
/// their number, and for people that is minutes: from 200 to none takes seven or eight times that, so nothing is lost by
/// looking once a minute, and the first zero is seen as soon as ever. What is found later is a service that another hand
/// resumes: after a minute at most, and it is blocked again then. The rest of the pool is looked at in a pace of its own
/// ([`POOL_LOOK`]), whatever the number of sessions.
pub const DRAIN_PACE: [(u64, SignedDuration); 3] =
    [(200, SignedDuration::from_secs(60)), (50, SignedDuration::from_secs(30)), (10, SignedDuration::from_secs(20))];

/// Returns the time between two looks at a drain with so many sessions left.
#[must_use]
pub fn drain_pace(left: u64) -> SignedDuration {
    DRAIN_PACE.into_iter().find(|(from, _)| left >= *from).map_or(DRAIN_SAMPLE, |(_, pace)| pace)
}

/// Zero samples in a row that prove a drain. One zero may fall between two calls; with three, twenty quiet seconds have
/// passed on a service that takes nothing new.
pub const ZERO_SAMPLES: u32 = 3;

/// A look older than this says nothing. Why 2 min: `Get-CsWindowsService` on a loaded server takes up to a minute, so
/// less would make such servers unknown for ever; more would let a drain be proven by what was true before somebody
/// resumed a service. The guard has a stricter rule of its own.
pub const LOOK_LIFETIME: SignedDuration = SignedDuration::from_mins(2);

/// The longest that an answer of the servers is waited for, as drivers keep it. Only told: who waits is the shell, and
/// the executor does not build where the drivers' own limit is another.
pub const ANSWER_LIMIT: SignedDuration = SignedDuration::from_secs(150);

/// How much earlier than the question an answer may say that it was taken. Question and answer are timed by the same
/// clock; a second covers its rounding.
pub const CLOCK_SLACK: SignedDuration = SignedDuration::from_secs(1);

/// How long an act of which nobody knows may still take to reach the server. The service manager gives up on a control
/// after 30 s, and a request that has not been taken up by then is dropped with its connection.
pub const IN_FLIGHT: SignedDuration = SignedDuration::from_secs(30);

/// Within what time acts that are asked for at once are begun. The driver keeps it, and the executor does not build where its
/// number is another: acts are asked for at once only where the last of them is begun on evidence that is still fresh.
pub const TOGETHER: SignedDuration = SignedDuration::from_secs(10);

/// The most acts that are asked for at once. A front end has some fifteen services.
pub const MOST_TOGETHER: usize = 32;

/// Between two looks at a state that should change within seconds.
pub const SETTLE_LOOK: SignedDuration = SignedDuration::from_secs(2);

/// Between two looks at a state that should change within minutes.
pub const SLOW_LOOK: SignedDuration = SignedDuration::from_secs(10);

/// Returns the time between two looks at services that were told to change, after so long: half of it. What comes about
/// within seconds is seen at once, and a front end that takes minutes to start is not asked how it is every two seconds of
/// them; what has come about is seen at most half as late again.
#[must_use]
pub fn settle_pace(waited: SignedDuration) -> SignedDuration {
    (waited / 2).clamp(SETTLE_LOOK, SLOW_LOOK)
}

/// Between two looks after an answer that was unknown.
pub const UNKNOWN_LOOK: SignedDuration = SignedDuration::from_secs(10);

/// Looks without an answer before a server turns back. With [`UNKNOWN_LOOK`] that is a minute: longer than a lost
/// connection takes to come back, shorter than anything people would notice.
pub const UNKNOWN_LOOKS: u32 = 6;

/// Looks whose safety answer was not yes before the run stops. Another administrator's restart may be over at the
/// third look; what is still wrong then is for a person.
pub const REFUSED_LOOKS: u32 = 3;

/// Between two looks whose safety answer was not yes.
pub const REFUSED_LOOK: SignedDuration = SignedDuration::from_secs(30);

/// How long a pool that answers Busy is left alone (Lync 2013 upgrade flow chart: ten minutes).
pub const BUSY_WAIT: SignedDuration = SignedDuration::from_mins(10);

/// How often it may answer Busy (the same flow chart: at least three times is a problem).
pub const BUSY_ANSWERS: u32 = 3;

/// How often a service that was resumed by somebody else is blocked again before the server is held.
pub const REASSERTIONS: u32 = 2;

/// Between two attempts to take a server out of the balancer again, where that is refused. A refusal that passes does so in
/// seconds, and each attempt is two records.
pub const UNDONE_AGAIN: SignedDuration = SignedDuration::from_secs(30);

/// Attempts to take a server out of the balancer again that are refused, before it goes back into service. Ten are five
/// minutes: as long as people are sent to a server that is blocked, they find it out of order.
pub const UNDONE_TRIES: u32 = 10;

/// How often a supporting service is told to stop for the installer before it is left alone, where that
/// is accepted and nothing comes of it. A refusal counts at once: [`REFUSED_ACTS`] of them would have the server turn back
/// for it, and a restart that the installer may ask for costs less.
pub const SUPPORT_TRIES: u32 = 2;

/// Between two attempts while another installation runs on the server (exit code 1618).
pub const INSTALLER_BUSY_WAIT: SignedDuration = SignedDuration::from_mins(5);

/// Attempts while another installation runs.
pub const INSTALLER_ATTEMPTS: usize = 4;

/// Restarts of one server in one run.
pub const RESTARTS: usize = 2;

/// A boot time must be later by this much to be a new one: it is computed from uptime and clock and moves by a second
/// or so when the clock is corrected.
pub const BOOT_MOVES: SignedDuration = SignedDuration::from_secs(60);

/// How long a fabric state that differs from the one before is waited for. What the text means is not documented, so it
/// cannot hold a server; ten minutes are what the product's own flow chart gives a pool that is busy.
pub const FABRIC_WAIT: SignedDuration = SignedDuration::from_mins(10);

/// How long the configuration replica of a server in another pool may lag after this run has brought it back, before it
/// speaks against a server of the pool with the central management. A replica is asked for changes about once a minute and
/// takes them within a few; what lags half an hour later has another cause. Without it a run that has two pools in work
/// would wait in the one for what it does in the other.
pub const REPLICA_FOLLOWS: SignedDuration = SignedDuration::from_mins(30);

/// Between two samples of a soak.
pub const SOAK_SAMPLE: SignedDuration = SignedDuration::from_secs(60);

/// How often a soak may start over before the server is held.
pub const SOAK_RESTARTS: u32 = 6;

/// Between two looks at a server that is held and blocked. A person reads what is found, so a minute is soon enough.
pub const HOLD_LOOK: SignedDuration = SignedDuration::from_secs(60);

/// How often a hold takes the choice `retry` by itself.
pub const PLANNED_RETRIES: u32 = 2;

/// Refusals for good of an act, with a look at the server after each, before it is given up. One refusal may be a race
/// with somebody else; the same refusal again is an answer.
pub const REFUSED_ACTS: u32 = 2;

/// How long, from the first time on, an act of the way back is asked for that is refused for good. A right that was taken
/// away by mistake is given back within minutes by whoever took it, and a server that is left out waits for a person; ten
/// minutes are what the product's own flow chart gives a pool that is busy.
pub const REFUSED_BACK: SignedDuration = SignedDuration::from_mins(10);

/// How long an act is left alone that was refused for a time, such as by a quota: twice as long after each refusal, as
/// far as [`AGAIN_LONGEST`]. It is asked for until the deadline of its step.
pub const AGAIN_FIRST: SignedDuration = SignedDuration::from_secs(2);

/// The longest that an act is left alone. A minute is what the quotas of a server are counted by, and leaves a step of ten
/// minutes ten tries.
pub const AGAIN_LONGEST: SignedDuration = SignedDuration::from_secs(60);

/// How long a balancer that refuses for a time is asked again. It has nothing to bring about: a minute covers a reload,
/// and is what the table of limits allows for each look and act that has no deadline of its own.
pub const BALANCER_DEADLINE: SignedDuration = SignedDuration::from_mins(1);

/// Times that one act is accepted before it is given up: what was accepted so often and does not come about never will.
pub const ACT_ROUNDS: u32 = 12;

/// What a deadline leaves at least after the run was taken up, or this machine has stood still: everything is looked at
/// anew before anything is given up. Two minutes are what a look may take, with one to spare.
pub const AFTER_GAP: SignedDuration = SignedDuration::from_mins(2);

/// How old the record of a server may be when its first change is made. Two minutes are room for the looks in between on a
/// slow host, and less than any maintenance takes: nothing that another control host does to a server fits into it.
pub const RECORD_LIFETIME: SignedDuration = SignedDuration::from_mins(2);

/// Times that steps of one server are done again.
pub const REOPENINGS: u32 = 5;

/// Between two looks at the rest of a pool while one of its servers is out. Why 20 s: the evidence that is acted on is at
/// most 30 s old, a dead server has to be noticed, asked again and made up for within about a minute, and a look is one
/// short question to each of the other servers, the name servers and the balancer, so three of them in a minute are no load.
pub const POOL_LOOK: SignedDuration = SignedDuration::from_secs(20);

/// Between two looks at a pool of which no server is out, while one that is back is still watched: its soak, which has samples
/// of its own ([`SOAK_SAMPLE`]), starts over for others that are missing, and this look names them. Nothing is decided by it.
pub const POOL_LOOK_SOAK: SignedDuration = SOAK_SAMPLE;

/// Between two looks at the rest of a pool when the last one was not all yes: the second word decides.
pub const POOL_LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(5);

/// Looks at the pool in which the answer is no before it is acted on. Two, since a service that is restarted is not
/// running for a moment.
pub const POOL_NOES: u32 = 2;

/// How long a question about the pool may stay unknown. Thirty seconds are the lifetime of evidence: the last yes proves
/// nothing after that.
pub const POOL_UNKNOWN: SignedDuration = SignedDuration::from_secs(30);

/// Looks that must have given no answer by then: three, so that one slow look does not fill the time alone.
pub const POOL_UNKNOWN_LOOKS: u32 = 3;

/// Looks at the pool in a row that may come too late to say anything before that counts as no answer. Since each server has
/// [`POOL_ANSWER`], a look is late when this machine stood still; the next one tells.
pub const POOL_SLOW_LOOKS: u32 = 5;

/// Looks in a row at a good pool before an alarm is called off.
pub const POOL_GOOD_LOOKS: u32 = 2;

/// In how many looks at the pool one of the others is asked for the product's word on it: every sixth, which is every two
/// minutes. The word comes from a PowerShell cmdlet that loads the product's module, seconds of a processor each time;
/// servers, names and balancer are seen in every look.
pub const PRODUCT_LOOKS: u32 = 6;

/// How often in a row the product gives no word before that is told: six minutes, in which a pool that places its users anew has
/// mostly done so.
pub const PRODUCT_WORDLESS: u32 = 3;

/// How long one server may take for its answer to a look at the pool. Longer than a connection takes to be given up, and
/// shorter than the lifetime of evidence: one dead server must not keep the word on the others.
pub const POOL_ANSWER: SignedDuration = SignedDuration::from_secs(20);

/// How old the answer of a server of another pool may be that a look at a pool takes over from a look at yet another pool of
/// its budget. Why 10 s: with what a look may take ([`POOL_ANSWER`]) it is as old as evidence may be. Without it each pool
/// of a budget that has a server out would ask all servers of all its pools, which with fifty of three hundred is two
/// thousand questions a second.
pub const POOL_SHARED: SignedDuration = SignedDuration::from_secs(10);

/// How often a server is begun again after it had to be given back to its pool. A pool that fails three times in one night
/// is not fit for maintenance, and each time costs a drain.
pub const PUT_OFFS: u32 = 3;

/// How long a run that may wait for its pool (`pool_unsafe: wait`) waits before it begins a server. Half a day spans the
/// longest night; what is not mended by then is a person's, and a run that waits without end tells nothing.
pub const POOL_WAIT: SignedDuration = SignedDuration::from_hours(12);

/// Looks at a server in the final sweep before what it is like counts as unknown.
pub const SWEEP_LOOKS: u32 = 6;
