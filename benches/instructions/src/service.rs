//! The handlers. That of five integers takes an array, so that no allocation is its own.

use futures_util::{Stream, stream};
use nestrs::prelude::*;

/// Adds, and repeats.
#[injectable]
#[derive(Debug)]
pub struct Service;

#[micro_routes]
impl Service {
    /// Bare.
    #[message_pattern([{ cmd: "sum" }, "sum"])]
    async fn sum(&self, numbers: [i64; 5]) -> i64 {
        numbers.iter().sum()
    }

    /// With one stage of each kind.
    #[message_pattern({ cmd: "guarded" })]
    #[use_guards(Admit)]
    #[use_pipes(Keep)]
    #[use_interceptors(Around)]
    async fn guarded(&self, numbers: [i64; 5]) -> i64 {
        numbers.iter().sum()
    }

    /// Gives back what it was given; its `String` is its own allocation.
    #[message_pattern({ cmd: "echo" })]
    async fn echo(&self, text: String) -> String {
        text
    }

    /// Counts up to a number, an item at a time, and never waits.
    #[message_pattern({ cmd: "count" })]
    fn count(&self, end: usize) -> impl Stream<Item = usize> {
        stream::iter(1..=end)
    }
}

/// A guard that looks at the call and admits it.
#[derive(Debug, Default)]
pub struct Admit;

impl CanActivate for Admit {
    async fn can_activate(&self, cx: &ExecutionContext) -> Result<(), TransportError> {
        if cx.pattern().is_empty() { Err(forbidden()) } else { Ok(()) }
    }
}

/// A pipe that looks at the payload and keeps it.
#[derive(Debug, Default)]
pub struct Keep;

impl PipeTransform for Keep {
    async fn transform(&self, _cx: &ExecutionContext, payload: Payload) -> Result<Payload, TransportError> {
        if payload.is_absent() { Err(TransportError::new("five numbers are needed")) } else { Ok(payload) }
    }
}

/// An interceptor with something before and something after.
#[derive(Debug, Default)]
pub struct Around;

impl Interceptor for Around {
    async fn intercept<T: Send>(
        &self,
        cx: &ExecutionContext,
        next: impl Future<Output = Result<T, TransportError>> + Send,
    ) -> Result<T, TransportError> {
        let before = cx.pattern().len();
        let outcome = next.await;
        if before != cx.pattern().len() { Err(forbidden()) } else { outcome }
    }
}

/// The application.
#[module(providers = [Service], microservices = [Service])]
#[derive(Debug)]
pub struct AppModule;
