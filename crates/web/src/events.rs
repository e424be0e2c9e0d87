//! Events: pieces of pages that have changed, for every browser that looks. A page is worked out once for all who look at it, at
//! most five times a second, and a browser is told only of what has changed since it was told last.

use crate::api::{Refused, Source};
use crate::pages::Page;
use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use futures::stream;
use serde::Serialize;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// How often a page is worked out at most. Why five times a second: a person sees no more.
const EVERY: Duration = Duration::from_millis(200);
/// How much longer is waited than the work takes: a page of two hundred servers takes a fifth of a processor at most.
const REST: u32 = 4;
/// How often something is said to a browser although nothing changes, so that a broken connection is noticed.
const ALIVE: Duration = Duration::from_secs(15);
/// Most browsers that look at once.
const MOST: usize = 100;

/// A piece of a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Piece {
    /// Where it stands.
    pub id: String,
    /// By what it is told from what stood there before.
    pub v: String,
    /// What stands there.
    pub html: String,
}

/// A page as it is now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// Its title.
    pub title: String,
    /// Its pieces.
    pub pieces: Vec<Piece>,
}

/// What is known of a page that is looked at.
#[derive(Debug, Clone)]
enum News {
    /// It is worked out for the first time.
    NotYet,
    Told(Arc<Told>),
    /// There is no such page any more.
    Gone,
}

/// Works pages out for those who look at them.
pub(crate) struct Hub {
    source: Arc<dyn Source>,
    feeds: Mutex<HashMap<Page, Arc<watch::Sender<News>>>>,
    places: Arc<Semaphore>,
}

impl Hub {
    pub(crate) fn new(source: Arc<dyn Source>) -> Arc<Self> {
        Arc::new(Self { source, feeds: Mutex::default(), places: Arc::new(Semaphore::new(MOST)) })
    }

    /// Tells of the changes of a page, as long as the browser listens.
    pub(crate) fn events(self: &Arc<Self>, page: Page) -> Response {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            let why = format!("{MOST} browsers look already");
            return Refused { status: 503, why }.into_response();
        };
        let watcher =
            Watcher { news: self.follow(page), sent: HashMap::new(), title: String::new(), first: true, _place: place };
        let body = stream::unfold(watcher, |mut watcher| async move {
            let text = watcher.next().await?;
            Some((Ok::<_, Infallible>(Bytes::from(text)), watcher))
        });
        ([(CONTENT_TYPE, "text/event-stream")], Body::from_stream(body)).into_response()
    }

    fn follow(self: &Arc<Self>, page: Page) -> watch::Receiver<News> {
        let mut feeds = self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = feeds.get(&page) {
            return sender.subscribe();
        }
        let (sender, receiver) = watch::channel(News::NotYet);
        let sender = Arc::new(sender);
        feeds.insert(page.clone(), sender.clone());
        drop(tokio::spawn(self.clone().feed(page, sender)));
        receiver
    }

    /// Works a page out until nobody looks at it.
    async fn feed(self: Arc<Self>, page: Page, sender: Arc<watch::Sender<News>>) {
        loop {
            let began = Instant::now();
            let (source, asked) = (self.source.clone(), page.clone());
            let told = tokio::task::spawn_blocking(move || source.told(&asked)).await;
            let is_there = matches!(told, Ok(Ok(_)));
            sender.send_if_modified(|news| match (told, news) {
                (Ok(Ok(told)), News::Told(known)) if **known == told => false,
                (Ok(Ok(told)), news) => {
                    *news = News::Told(Arc::new(told));
                    true
                }
                (_, news) => {
                    *news = News::Gone;
                    true
                }
            });
            if is_there {
                tokio::time::sleep(EVERY.max(began.elapsed() * REST)).await;
            }
            let mut feeds = self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
            if !is_there || sender.receiver_count() == 0 {
                feeds.remove(&page);
                return;
            }
        }
    }
}

/// A browser that looks.
struct Watcher {
    news: watch::Receiver<News>,
    /// What it was told of each piece.
    sent: HashMap<String, String>,
    title: String,
    first: bool,
    _place: OwnedSemaphorePermit,
}

impl Watcher {
    /// Returns the next events. `None`: there are no more.
    async fn next(&mut self) -> Option<String> {
        loop {
            if !std::mem::take(&mut self.first) {
                match tokio::time::timeout(ALIVE, self.news.changed()).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_nobody_tells)) => return None,
                    Err(_elapsed) => return Some(": alive\n\n".to_owned()),
                }
            }
            let news = self.news.borrow_and_update().clone();
            match news {
                News::NotYet => {}
                News::Told(told) => {
                    let text = self.events(&told);
                    if !text.is_empty() {
                        return Some(text);
                    }
                }
                // Once: the next call finds that nobody tells any more.
                News::Gone => return Some("event: gone\ndata: \n\n".to_owned()),
            }
        }
    }

    fn events(&mut self, told: &Told) -> String {
        let mut text = String::new();
        let changed: Vec<&Piece> =
            told.pieces.iter().filter(|piece| self.sent.get(&piece.id) != Some(&piece.v)).collect();
        for piece in &changed {
            self.sent.insert(piece.id.clone(), piece.v.clone());
        }
        if !changed.is_empty() {
            text.push_str(&event("pieces", &changed));
        }
        if self.title != told.title {
            self.title.clone_from(&told.title);
            text.push_str(&event("title", &told.title));
        }
        text
    }
}

/// Returns an event. JSON has no line breaks outside of its texts, and escapes those within.
fn event(name: &str, data: &impl Serialize) -> String {
    format!("event: {name}\ndata: {}\n\n", serde_json::to_string(data).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(id: &str, html: &str) -> Piece {
        Piece { id: id.to_owned(), v: html.to_owned(), html: html.to_owned() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_browser_is_told_of_what_has_changed_and_of_nothing_else() {
        let (sender, news) = watch::channel(News::NotYet);
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let mut watcher = Watcher { news, sent: HashMap::new(), title: String::new(), first: true, _place: place };
        let told = |pieces: Vec<Piece>| News::Told(Arc::new(Told { title: "t".to_owned(), pieces }));
        sender.send_replace(told(vec![piece("a", "1"), piece("b", "1\n2")]));
        let first = watcher.next().await.unwrap();
        assert!(first.contains(r#""id":"a""#) && first.contains(r#""html":"1\n2""#) && first.contains("event: title"));
        assert_eq!(first.lines().filter(|line| line.starts_with("data: ")).count(), 2, "a line each: {first}");
        // Many changes at once are one: the last.
        sender.send_replace(told(vec![piece("a", "2"), piece("b", "1\n2")]));
        sender.send_replace(told(vec![piece("a", "3"), piece("b", "1\n2")]));
        let second = watcher.next().await.unwrap();
        assert!(
            second.contains(r#""html":"3""#) && !second.contains(r#""id":"b""#) && !second.contains("title"),
            "{second}"
        );
        assert_eq!(watcher.next().await.unwrap(), ": alive\n\n", "nothing changes");
        sender.send_replace(News::Gone);
        assert!(watcher.next().await.unwrap().contains("gone"));
        drop(sender);
        assert!(watcher.next().await.is_none());
    }
}
