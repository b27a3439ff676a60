//! One direction of one connection.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{sleep, timeout};

use super::plan::{Cut, Fault, Faults};

/// How long kept bytes wait for more.
const COALESCE_MAX: Duration = Duration::from_millis(5);

/// How one direction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Its last byte was passed on; the other direction may go on.
    Finished,
    /// The whole connection ends, with FIN.
    Closed,
    /// The whole connection ends, with RST.
    Reset,
}

/// Passes bytes on until the direction, or the connection, ends.
pub(super) async fn run(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, faults: Faults) -> End {
    let mut pipe = Pipe { read: 0, written: 0, faults };
    let mut chunk = vec![0; 16 * 1024];
    loop {
        let len = match pipe.next(&mut from, &mut chunk).await {
            Ok(0) => {
                let _ = to.shutdown().await;
                return End::Finished;
            }
            Ok(len) => len,
            Err(_) => return End::Reset,
        };
        let bytes = pipe.corrupted(&chunk[..len]);
        match pipe.pass_on(&bytes, &mut to).await {
            Ok(None) => {}
            Ok(Some(Stop::Silent)) => {
                // The kernel at either end believes that all is well.
                let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
                return std::future::pending().await;
            }
            Ok(Some(Stop::Cut(Cut::Close))) => return End::Closed,
            Ok(Some(Stop::Cut(Cut::Reset))) => return End::Reset,
            Ok(Some(Stop::Cut(Cut::Half))) => {
                let _ = to.shutdown().await;
                let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
                return End::Finished;
            }
            Err(_) => return End::Reset,
        }
    }
}

enum Stop {
    Silent,
    Cut(Cut),
}

struct Pipe {
    read: u64,
    written: u64,
    faults: Faults,
}

impl Pipe {
    /// The next bytes: as they come, or kept until there are enough.
    async fn next(&self, from: &mut (impl AsyncRead + Unpin), chunk: &mut [u8]) -> std::io::Result<usize> {
        let mut len = from.read(chunk).await?;
        for fault in &self.faults {
            if let Fault::Coalesce(enough) = *fault {
                while len > 0 && len < enough.min(chunk.len()) {
                    match timeout(COALESCE_MAX, from.read(&mut chunk[len..])).await {
                        Ok(Ok(more @ 1..)) => len += more,
                        // An end is seen again by the next read.
                        _ => break,
                    }
                }
            }
        }
        Ok(len)
    }

    /// What these bytes have become on the way.
    fn corrupted(&mut self, chunk: &[u8]) -> Vec<u8> {
        let start = self.read;
        self.read += chunk.len() as u64;
        let mut bytes = Vec::with_capacity(chunk.len());
        let mut again = Vec::new();
        for (at, byte) in (start..).zip(chunk) {
            let mut byte = Some(*byte);
            for fault in &self.faults {
                match *fault {
                    Fault::Flip(here, bit) if here == at => byte = byte.map(|byte| byte ^ 1 << bit),
                    Fault::Drop(here, len) if (here..here + len).contains(&at) => byte = None,
                    Fault::Duplicate(here, len) if (here..here + len).contains(&at) => again.extend(byte),
                    _ => {}
                }
            }
            if self.faults.iter().any(|fault| matches!(*fault, Fault::Duplicate(here, len) if here + len == at)) {
                bytes.append(&mut again);
            }
            bytes.extend(byte);
        }
        bytes.append(&mut again);
        bytes
    }

    /// Writes them as slowly and as finely as the faults say, up to where it ends.
    async fn pass_on(&mut self, bytes: &[u8], to: &mut (impl AsyncWrite + Unpin)) -> std::io::Result<Option<Stop>> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let mut len = rest.len();
            let mut stop = None;
            let mut pause = Duration::ZERO;
            for fault in &self.faults {
                match *fault {
                    Fault::Cut(here, _) | Fault::BlackHole(here) if here <= self.written => {
                        stop = Some(match *fault {
                            Fault::Cut(_, how) => Stop::Cut(how),
                            _ => Stop::Silent,
                        });
                    }
                    Fault::Cut(here, _) | Fault::BlackHole(here) => {
                        len = len.min(usize::try_from(here - self.written).unwrap_or(len));
                    }
                    Fault::Delay(millis) => pause = pause.max(Duration::from_millis(millis)),
                    Fault::Throttle(rate) => {
                        len = len.min(usize::try_from(rate / 100).unwrap_or(len).max(1));
                        pause = pause.max(Duration::from_millis(10));
                    }
                    Fault::Dribble(bytes) if self.written < bytes => len = 1,
                    _ => {}
                }
            }
            if stop.is_some() {
                return Ok(stop);
            }
            if !pause.is_zero() {
                sleep(pause).await;
            }
            let (piece, later) = rest.split_at(len);
            to.write_all(piece).await?;
            self.written += piece.len() as u64;
            rest = later;
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn through(input: &[u8], faults: Faults) -> (End, Vec<u8>) {
        let mut output = Vec::new();
        let end = run(input, &mut output, faults).await;
        (end, output)
    }

    #[tokio::test]
    async fn each_fault_does_what_it_says() {
        let cases: [(Fault, End, &[u8]); 9] = [
            (Fault::Cut(3, Cut::Close), End::Closed, b"012"),
            (Fault::Cut(0, Cut::Reset), End::Reset, b""),
            (Fault::Cut(3, Cut::Half), End::Finished, b"012"),
            (Fault::Delay(1), End::Finished, b"0123456789"),
            (Fault::Dribble(5), End::Finished, b"0123456789"),
            (Fault::Coalesce(7), End::Finished, b"0123456789"),
            (Fault::Duplicate(2, 2), End::Finished, b"012323456789"),
            (Fault::Drop(8, 9), End::Finished, b"01234567"),
            (Fault::Flip(0, 0), End::Finished, b"1123456789"),
        ];
        for (fault, end, output) in cases {
            let (ended, came) = through(b"0123456789", vec![fault]).await;
            assert_eq!((ended, came.as_slice()), (end, output), "{fault:?}");
        }
    }

    #[tokio::test]
    async fn a_black_hole_says_nothing() {
        let mut output = Vec::new();
        let running = run(&b"0123456789"[..], &mut output, vec![Fault::BlackHole(4)]);
        assert!(timeout(Duration::from_millis(50), running).await.is_err());
        assert_eq!(output, b"0123");
    }
}
