//! Where drivers work: in tasks of their own, so that the loop of a run only ever receives.
//!
//! A driver may take long to parse what a server said, or never come back. The loop has timers to keep, signals to obey
//! and a journal to write, and does all of that while drivers work. In a program the drivers have threads of their own:
//! tasks alone would not help, since a task that never yields keeps the others of its threads from running, timers and
//! signals among them. A simulation has one thread, on which time stands still while anything is done.

use orchestrate_driver::limits::{BALANCERS_AT_ONCE, LOOKS_PER_SERVER, SERVERS_AT_ONCE, SERVERS_IN_LOOKS};
use orchestrate_driver::{ACT_LIMIT, LOOK_LIMIT};
use orchestrate_model::ServerName;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::Instrument as _;

/// Threads of the drivers. Why at least four: so many drivers that do not yield leave nobody waiting but each other, and
/// what drivers mostly do is wait.
const FEWEST_THREADS: usize = 4;

/// How often a thread of the drivers is woken. When one of them does not yield, and it was the one that listened to the
/// network and to timers, the others sleep on; whichever is woken takes over from it.
const PULSE: Duration = Duration::from_millis(200);

/// Where drivers work, and how many of them at once. Copies share both.
#[derive(Debug, Clone)]
pub struct Crew {
    place: Place,
    seats: Arc<Seats>,
}

#[derive(Debug, Clone)]
enum Place {
    Here,
    Apart(Arc<Threads>),
}

#[derive(Debug)]
struct Seats {
    /// Room for the servers of looks.
    room: Semaphore,
    servers: Semaphore,
    balancers: Semaphore,
    by_server: Mutex<BTreeMap<ServerName, Arc<Semaphore>>>,
}

impl Crew {
    /// Returns a crew that works on the runtime of whoever calls, in tasks of its own: for simulations, whose time only
    /// passes when nothing is done.
    #[must_use]
    pub fn here() -> Self {
        Self { place: Place::Here, seats: Arc::new(Seats::new()) }
    }

    /// Returns a crew with threads of its own. They end with the last copy, whatever is under way on them.
    ///
    /// # Errors
    /// When there can be no more threads.
    pub fn apart() -> std::io::Result<Self> {
        Ok(Self { place: Place::Apart(Arc::new(Threads::new()?)), seats: Arc::new(Seats::new()) })
    }

    /// Waits until there is room for a look at so many servers. A look at more than there is ever room for has all of it.
    pub(crate) async fn room(&self, servers: usize) -> Option<SemaphorePermit<'_>> {
        let wanted = u32::try_from(servers).unwrap_or(u32::MAX).min(SERVERS_IN_LOOKS);
        self.seats.room.acquire_many(wanted).await.ok()
    }

    /// Looks at a server when its turn has come, which `begun` hears. Why nothing was seen is said as an error.
    pub(crate) async fn look_at<T: Send + 'static>(
        &self,
        (server, begun): (&ServerName, impl FnOnce()),
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, &'static str> {
        let own = self.seats.of(server);
        // The server's own turn comes first, so that nobody holds a seat while waiting for it.
        let _turn = own.acquire().await;
        let _seat = self.seats.servers.acquire().await;
        begun();
        self.work(LOOK_LIMIT, work).await
    }

    /// Looks at a balancer when its turn has come.
    pub(crate) async fn look_at_balancer<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, &'static str> {
        let _seat = self.seats.balancers.acquire().await;
        self.work(LOOK_LIMIT, work).await
    }

    /// Looks names up. The driver asks one name server only so much at once.
    pub(crate) async fn look_up<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, &'static str> {
        self.work(LOOK_LIMIT, work).await
    }

    /// Performs an act.
    pub(crate) async fn act<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, &'static str> {
        self.work(ACT_LIMIT, work).await
    }

    async fn work<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, &'static str> {
        let work = work.in_current_span();
        let task = match &self.place {
            Place::Here => tokio::spawn(work),
            Place::Apart(threads) => threads.handle.spawn(work),
        };
        // The limit is kept here and not by the driver, which may be busy with anything.
        match timeout(limit, Task(task)).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(ended)) if ended.is_panic() => {
                Err("the program failed while it asked, which is a mistake of its own")
            }
            Ok(Err(_cancelled)) => Err("the program was about to end"),
            Err(_late) => Err("it did not answer in time"),
        }
    }
}

impl Seats {
    fn new() -> Self {
        Self {
            room: Semaphore::new(SERVERS_IN_LOOKS as usize),
            servers: Semaphore::new(SERVERS_AT_ONCE),
            balancers: Semaphore::new(BALANCERS_AT_ONCE),
            by_server: Mutex::default(),
        }
    }

    fn of(&self, server: &ServerName) -> Arc<Semaphore> {
        let mut all = self.by_server.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(server.clone()).or_insert_with(|| Arc::new(Semaphore::new(LOOKS_PER_SERVER))).clone()
    }
}

/// A task that ends when nobody waits for it any more.
struct Task<T>(JoinHandle<T>);

impl<T> Future for Task<T> {
    type Output = Result<T, tokio::task::JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context)
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The threads of the drivers.
#[derive(Debug)]
struct Threads {
    handle: Handle,
    runtime: Option<Runtime>,
}

impl Threads {
    fn new() -> std::io::Result<Self> {
        let threads =
            std::thread::available_parallelism().map_or(FEWEST_THREADS, |cores| cores.get().max(FEWEST_THREADS));
        let runtime = Builder::new_multi_thread().worker_threads(threads).thread_name("driver").enable_all().build()?;
        let threads = Self { handle: runtime.handle().clone(), runtime: Some(runtime) };
        threads.keep_awake()?;
        Ok(threads)
    }

    /// Wakes one of the threads now and then. Ends with the threads: then nothing can be given to them any more.
    fn keep_awake(&self) -> std::io::Result<()> {
        let handle = self.handle.clone();
        let (ends, ended) = std::sync::mpsc::channel::<()>();
        // The sender lives in a task that never ends by itself, and goes with the threads.
        drop(handle.spawn(async move {
            std::future::pending::<()>().await;
            drop(ends);
        }));
        let pulse = move || {
            while let Err(std::sync::mpsc::RecvTimeoutError::Timeout) = ended.recv_timeout(PULSE) {
                drop(handle.spawn(std::future::ready(())));
            }
        };
        std::thread::Builder::new().name("pulse".to_owned()).spawn(pulse).map(drop)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // A thread whose driver never yields would be waited for without end.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests;
