//! What stands around handlers without their knowing.

use std::time::Instant;

use nestrs::prelude::*;
use serde::Serialize;

/// Says how long each call took. `AppModule` puts it around everything.
#[injectable]
pub(crate) struct Timing;

impl Interceptor for Timing {
    async fn intercept<T: Send>(
        &self,
        cx: &ExecutionContext,
        next: impl Future<Output = Result<T, TransportError>> + Send,
    ) -> Result<T, TransportError> {
        let started = Instant::now();
        let outcome = next.await;
        tracing::info!(
            context = "Timing",
            handler = cx.handler(),
            ok = outcome.is_ok(),
            micros = started.elapsed().as_micros() as u64,
            "{}",
            cx.pattern()
        );
        outcome
    }
}

/// Wraps what is answered: `next.handle().pipe(map(data => ({ data })))`. For routes, where browsers want an object;
/// services read values as they are.
#[derive(Default)]
pub(crate) struct InData;

#[derive(Serialize)]
struct Data {
    data: Payload,
}

impl Interceptor for InData {
    fn map_value(&self, _cx: &ExecutionContext, value: Payload) -> Result<Payload, TransportError> {
        Payload::from_serialize(&Data { data: value })
    }
}
