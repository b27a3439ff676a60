//! Why there is no order, and how callers read it.

use nestrs::HandlerResult;
use nestrs::prelude::*;
use serde_json::json;

/// What the services of this application fail with: they know nothing of HTTP or messages.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrderError {
    #[error("only {left} of `{item}` left")]
    OutOfStock { item: String, left: u32 },
    #[error("`{item}` is not sold here")]
    NotSold { item: String },
    #[error("there is no order {0}")]
    NoSuchOrder(u64),
    /// Billing said no, or did not answer.
    #[error(transparent)]
    Billing(#[from] TransportError),
}

/// What is left of it for callers where no filter answers. The error is kept as the source: filters find it there.
impl From<OrderError> for TransportError {
    fn from(error: OrderError) -> Self {
        let told = match &error {
            OrderError::Billing(said) => said.clone(),
            OrderError::NoSuchOrder(_) => Self::new(error.to_string()).with_kind(ErrorKind::NotFound),
            OrderError::OutOfStock { .. } | OrderError::NotSold { .. } => Self::new(error.to_string()),
        };
        told.with_source(error)
    }
}

/// `@Catch(OrderError)`. One answer for both: HTTP has the status from `statusCode`, and a NestJS client reads the
/// object as its `err`.
#[derive(Default)]
pub(crate) struct OrderErrorFilter;

impl ExceptionFilter for OrderErrorFilter {
    type Error = OrderError;

    async fn catch(&self, _cx: &ExecutionContext, caught: Caught<OrderError>) -> HandlerResult {
        let message = caught.to_string();
        Err(match &*caught {
            OrderError::OutOfStock { left, .. } => TransportError::exact(
                json!({ "statusCode": 409, "code": "OUT_OF_STOCK", "message": message, "left": left }),
            ),
            OrderError::NotSold { .. } => {
                TransportError::exact(json!({ "statusCode": 422, "code": "NOT_SOLD", "message": message }))
            }
            OrderError::NoSuchOrder(_) | OrderError::Billing(_) => caught.into_transport_error(),
        })
    }
}
