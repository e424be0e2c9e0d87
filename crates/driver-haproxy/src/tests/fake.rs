//! A balancer that answers what a test says, one command per connection.

use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What the fake does with a command.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    Text(String),
    Bytes(Vec<u8>),
    /// Closes the connection without a word.
    Close,
    /// Keeps the connection open without a word.
    Silence,
    /// Sends without end.
    Flood,
}

pub(super) struct Fake {
    pub(super) address: String,
    commands: Arc<Mutex<Vec<String>>>,
    serving: JoinHandle<()>,
}

impl Fake {
    pub(super) async fn start(reply: impl Fn(&str) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let commands = Arc::new(Mutex::new(Vec::new()));
        let heard = commands.clone();
        let serving = tokio::spawn(async move {
            let mut silent = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut command = String::new();
                BufReader::new(&mut stream).read_line(&mut command).await.unwrap();
                let command = command.trim_end_matches('\n').to_owned();
                heard.lock().unwrap().push(command.clone());
                match reply(&command) {
                    Reply::Text(text) => stream.write_all(text.as_bytes()).await.unwrap(),
                    Reply::Bytes(bytes) => stream.write_all(&bytes).await.unwrap(),
                    Reply::Close => {}
                    Reply::Silence => silent.push(stream),
                    Reply::Flood => flood(stream).await,
                }
            }
        });
        Self { address, commands, serving }
    }

    /// The commands that have arrived, in order.
    pub(super) fn commands(&self) -> Vec<String> {
        self.commands.lock().unwrap().clone()
    }
}

/// Sends until the other side has had enough.
async fn flood(mut stream: TcpStream) {
    let noise = vec![b'x'; 65536];
    while stream.write_all(&noise).await.is_ok() {}
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
