//! What the terminal and the system tell us to stop with.

/// Returns when the process is asked to end: Ctrl-C, `SIGTERM` or `SIGHUP`; on Windows Ctrl-C, Ctrl-Break, a closed
/// console, a log-off or a shutdown. Each call waits for another one.
pub(crate) async fn any() {
    if let Err(error) = asked().await {
        tracing::warn!(%error, "signals cannot be heard");
        std::future::pending::<()>().await;
    }
}

#[cfg(unix)]
async fn asked() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}

/// Windows ends the process a few seconds after the last three, whatever it answers: what is on disk by then is what the
/// next start goes on from.
#[cfg(windows)]
async fn asked() -> std::io::Result<()> {
    use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};
    let (mut interrupt, mut pause) = (ctrl_c()?, ctrl_break()?);
    let (mut close, mut logoff, mut shutdown) = (ctrl_close()?, ctrl_logoff()?, ctrl_shutdown()?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = pause.recv() => {}
        _ = close.recv() => {}
        _ = logoff.recv() => {}
        _ = shutdown.recv() => {}
    }
    Ok(())
}

#[cfg(not(any(unix, windows)))]
async fn asked() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
