//! How many questions are under way at once: to one name server, and in all.
//!
//! Whoever asks for hundreds of pools at once makes a name server late by that alone, and what comes late counts as
//! unknown. So a question waits for its turn, and its time starts when it is sent. Behind a server that has stopped
//! answering questions do not wait for ever: when as many as may be under way to it have had no answer, those that wait
//! have none either, until its limit has passed once more.

use orchestrate_driver::limits::{QUESTIONS_AT_ONCE, QUESTIONS_PER_NAME_SERVER, RESOLVED_AT_ONCE};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// The seats of all questions of one program.
#[derive(Debug, Clone)]
pub(crate) struct Seats(Arc<All>);

#[derive(Debug)]
struct All {
    looks: Semaphore,
    questions: Semaphore,
    servers: Mutex<BTreeMap<SocketAddr, Arc<Server>>>,
}

/// The questions to one server.
#[derive(Debug)]
struct Server {
    questions: Semaphore,
    silence: Mutex<Silence>,
}

/// How long a server has not answered.
#[derive(Debug, Default)]
struct Silence {
    /// Questions in a row without an answer.
    questions: usize,
    last: Option<Instant>,
}

/// Why a question is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unanswered(pub(crate) usize);

impl Seats {
    pub(crate) fn new() -> Self {
        Self(Arc::new(All {
            looks: Semaphore::new(RESOLVED_AT_ONCE),
            questions: Semaphore::new(QUESTIONS_AT_ONCE),
            servers: Mutex::default(),
        }))
    }

    /// Waits until the names of one more pool may be looked up.
    pub(crate) async fn look(&self) -> Option<SemaphorePermit<'_>> {
        self.0.looks.acquire().await.ok()
    }

    /// Puts a question when its turn has come. `limit` is how long the server gets from then on, and what `put` keeps
    /// to; `is_silent` says of an outcome that nothing came back.
    pub(crate) async fn ask<T>(
        &self,
        server: SocketAddr,
        limit: Duration,
        put: impl Future<Output = T>,
        is_silent: impl Fn(&T) -> bool,
    ) -> Result<T, Unanswered> {
        let server = self.of(server);
        let _own = server.questions.acquire().await;
        if let Some(questions) = server.silent_for(limit) {
            return Err(Unanswered(questions));
        }
        let _one = self.0.questions.acquire().await;
        let outcome = put.await;
        server.note(is_silent(&outcome));
        Ok(outcome)
    }

    fn of(&self, server: SocketAddr) -> Arc<Server> {
        let mut servers = self.0.servers.lock().unwrap_or_else(PoisonError::into_inner);
        let new =
            || Arc::new(Server { questions: Semaphore::new(QUESTIONS_PER_NAME_SERVER), silence: Mutex::default() });
        servers.entry(server).or_insert_with(new).clone()
    }
}

impl Server {
    /// Returns how many questions in a row had no answer, when that is enough not to send another one now.
    fn silent_for(&self, limit: Duration) -> Option<usize> {
        let silence = self.silence.lock().unwrap_or_else(PoisonError::into_inner);
        let lately = silence.last.is_some_and(|last| last.elapsed() < limit);
        (lately && silence.questions >= QUESTIONS_PER_NAME_SERVER).then_some(silence.questions)
    }

    #[expect(clippy::fn_params_excessive_bools, reason = "one fact, named where it is passed")]
    fn note(&self, is_silent: bool) {
        let mut silence = self.silence.lock().unwrap_or_else(PoisonError::into_inner);
        let questions = if is_silent { silence.questions + 1 } else { 0 };
        *silence = Silence { questions, last: Some(Instant::now()) };
    }
}
