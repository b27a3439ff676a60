//! How a loop that accepts connections goes on after a failure.

use std::io;
use std::time::Duration;

use nestrs_core::log_limit::LogLimit;

const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// How a loop that accepts connections goes on after a failure: it ends only when its listener is broken.
///
/// What concerns one connection (aborted, reset, interrupted) costs nothing. What the system has run out of (descriptors,
/// buffers, memory) comes back when connections close: the loop pauses for 50 ms, twice as long each time, up to 1 s, and
/// says so in the log at most once a second. Connections wait in the kernel meanwhile; none is lost.
///
/// ```
/// use nestrs_microservices::net::AcceptRetry;
/// use tokio::net::{TcpListener, TcpStream};
///
/// async fn next(listener: &TcpListener, retry: &mut AcceptRetry) -> std::io::Result<TcpStream> {
///     loop {
///         match listener.accept().await {
///             Ok((stream, _)) => {
///                 retry.reset();
///                 return Ok(stream);
///             }
///             Err(error) => retry.after(error).await?,
///         }
///     }
/// }
/// ```
#[derive(Debug)]
pub struct AcceptRetry {
    pause: Duration,
    log: LogLimit,
}

impl Default for AcceptRetry {
    fn default() -> Self {
        Self { pause: PAUSE_MIN, log: LogLimit::per_second(1) }
    }
}

impl AcceptRetry {
    /// Waits for as long as a failure asks for.
    ///
    /// # Errors
    /// The failure, when the listener will never accept again.
    pub async fn after(&mut self, error: io::Error) -> io::Result<()> {
        if is_passing(&error) {
            // A failure that repeats must not keep the thread.
            tokio::task::yield_now().await;
            return Ok(());
        }
        if is_broken(&error) {
            return Err(error);
        }
        self.log.pass(|suppressed| {
            tracing::warn!(target: "nestrs::tcp", %error, suppressed, "cannot accept connections; pausing");
        });
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        Ok(())
    }

    /// A connection was accepted: the next pause is a short one again.
    pub fn reset(&mut self) {
        self.pause = PAUSE_MIN;
    }
}

/// About one connection, not about the listener: what the network had to say of it before it was accepted (accept(2)).
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::Interrupted
            | io::ErrorKind::TimedOut
            // A firewall's rule.
            | io::ErrorKind::PermissionDenied
    )
}

/// There is no listening socket any more, or a listener that is no socket says so. All else passes: descriptors, buffers
/// and memory come back when connections close.
fn is_broken(error: &io::Error) -> bool {
    const EBADF: i32 = 9;
    const EINVAL: i32 = 22;
    const ENOTSOCK: i32 = if cfg!(target_os = "linux") { 88 } else { 38 };
    match error.raw_os_error() {
        Some(errno) => matches!(errno, EBADF | EINVAL | ENOTSOCK),
        None => error.kind() != io::ErrorKind::OutOfMemory,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn sl_8_what_passes_costs_nothing_and_what_is_exhausted_pauses_longer_each_time() {
        let mut retry = AcceptRetry::default();
        let begun = Instant::now();
        for kind in [io::ErrorKind::ConnectionAborted, io::ErrorKind::ConnectionReset, io::ErrorKind::Interrupted] {
            retry.after(kind.into()).await.unwrap();
        }
        assert_eq!(begun.elapsed(), Duration::ZERO);
        let mut pauses = Vec::new();
        for errno in [24, 23, 105, 12, 24, 24, 24] {
            let begun = Instant::now();
            retry.after(io::Error::from_raw_os_error(errno)).await.unwrap();
            pauses.push(begun.elapsed().as_millis());
        }
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1000, 1000]);
        retry.reset();
        let begun = Instant::now();
        retry.after(io::Error::from_raw_os_error(24)).await.unwrap();
        assert_eq!(begun.elapsed(), PAUSE_MIN);
        // EBADF: there is no listener any more.
        assert_eq!(retry.after(io::Error::from_raw_os_error(9)).await.unwrap_err().raw_os_error(), Some(9));
    }
}
