//! What happens in a run, for whoever listens.

use jiff::Timestamp;
use orchestrate_engine::{Engine, Record, View};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

/// Hears what happens in a run. Called between effects; must not block.
pub trait Listener: Send {
    /// A record is on disk.
    fn recorded(&mut self, seq: u64, at: Timestamp, record: &Record);
    /// Something may have changed. Calls may be left out without loss.
    fn progressed(&mut self, engine: &Engine, now: Timestamp);
}

/// Hears nothing.
#[derive(Debug, Clone, Copy)]
pub struct Quiet;

impl Listener for Quiet {
    fn recorded(&mut self, _seq: u64, _at: Timestamp, _record: &Record) {}
    fn progressed(&mut self, _engine: &Engine, _now: Timestamp) {}
}

/// What happened in a run.
#[derive(Debug, Clone)]
pub enum Event {
    /// A record is on disk.
    Recorded {
        /// Its number.
        seq: u64,
        /// Its time.
        at: Timestamp,
        /// The record.
        record: Box<Record>,
    },
    /// What the run looks like now.
    Progress(Box<View>),
}

/// Passes events on to whoever shows them, which may be slow, or a terminal that is held: records wait for it, and of the
/// views there is only the latest. When nobody listens any more the run goes on.
#[derive(Debug)]
pub struct Events {
    records: mpsc::UnboundedSender<Event>,
    latest: Arc<Latest>,
    last: Option<Instant>,
}

/// The other end of [`Events`].
#[derive(Debug)]
pub struct Heard {
    records: mpsc::UnboundedReceiver<Event>,
    latest: Arc<Latest>,
}

/// The latest view that was not looked at yet.
#[derive(Debug, Default)]
struct Latest {
    view: Mutex<Option<Box<View>>>,
    changed: Notify,
}

impl Latest {
    fn put(&self, view: Box<View>) {
        *self.view.lock().unwrap_or_else(PoisonError::into_inner) = Some(view);
        self.changed.notify_one();
    }

    fn take(&self) -> Option<Event> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner).take().map(Event::Progress)
    }
}

/// How often a view of a large run is made: it takes a look at every server, and hundreds of servers answer many times a
/// second. A person sees no more.
const VIEW_EVERY: Duration = Duration::from_millis(100);

/// Servers of a run whose views are made as they come.
const FEW: usize = 50;

impl Events {
    /// Returns a listener and its other end.
    #[must_use]
    pub fn channel() -> (Self, Heard) {
        let (records, heard) = mpsc::unbounded_channel();
        let latest = Arc::new(Latest::default());
        (Self { records, latest: latest.clone(), last: None }, Heard { records: heard, latest })
    }
}

impl Heard {
    /// Returns the next event, records before views; nothing when the run is over and everything was heard.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            tokio::select! {
                biased;
                record = self.records.recv() => match record {
                    Some(record) => return Some(record),
                    None => return self.latest.take(),
                },
                () = self.latest.changed.notified() => if let Some(view) = self.latest.take() {
                    return Some(view);
                },
            }
        }
    }
}

impl Listener for Events {
    fn recorded(&mut self, seq: u64, at: Timestamp, record: &Record) {
        if self.records.send(Event::Recorded { seq, at, record: Box::new(record.clone()) }).is_err() {
            tracing::trace!("no listener to the run any more");
        }
    }

    fn progressed(&mut self, engine: &Engine, now: Timestamp) {
        let state = engine.state();
        let lately = self.last.is_some_and(|last| last.elapsed() < VIEW_EVERY);
        if lately && state.work.len() > FEW && state.ended.is_none() {
            return;
        }
        self.last = Some(Instant::now());
        self.latest.put(Box::new(engine.view(now)));
    }
}
