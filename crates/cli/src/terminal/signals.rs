//! What the terminal and the system tell us to stop with.

use orchestrate_engine::Signal;

/// Returns by what the process is asked to end: Ctrl-C, `SIGTERM` or `SIGHUP`; on Windows Ctrl-C, Ctrl-Break, a closed
/// console, a log-off or a shutdown. Each call waits for another one.
pub(crate) async fn any() -> Signal {
    match asked().await {
        Ok(signal) => signal,
        Err(error) => {
            tracing::warn!(%error, "signals cannot be heard");
            std::future::pending().await
        }
    }
}

#[cfg(unix)]
async fn asked() -> std::io::Result<Signal> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    // A write past the limit on a file's size (`ulimit -f`, `LimitFSIZE=`) ends a process that does not hear this signal, without
    // a word. Heard, it is an error of the write, like a full disk.
    let _past_the_limit = signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?;
    Ok(tokio::select! {
        _ = interrupt.recv() => Signal::Keys,
        _ = terminate.recv() => Signal::System,
        _ = hangup.recv() => Signal::Closed,
    })
}

/// Windows ends the process a few seconds after the last three, whatever it answers: what is on disk by then is what the
/// next start goes on from.
#[cfg(windows)]
async fn asked() -> std::io::Result<Signal> {
    use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};
    let (mut interrupt, mut pause) = (ctrl_c()?, ctrl_break()?);
    let (mut close, mut logoff, mut shutdown) = (ctrl_close()?, ctrl_logoff()?, ctrl_shutdown()?);
    Ok(tokio::select! {
        _ = interrupt.recv() => Signal::Keys,
        _ = pause.recv() => Signal::Keys,
        _ = close.recv() => Signal::Closed,
        _ = logoff.recv() => Signal::System,
        _ = shutdown.recv() => Signal::System,
    })
}

#[cfg(not(any(unix, windows)))]
async fn asked() -> std::io::Result<Signal> {
    tokio::signal::ctrl_c().await.map(|()| Signal::Keys)
}
