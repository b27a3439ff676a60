//! `Valid<T>` as an extractor: the JSON body of an HTTP request.

use axum::Json;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use garde::Validate;
use nestrs_core::__private::decode;
use nestrs_core::Payload;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::valid::Valid;
use crate::http::failed;

impl<S, T> FromRequest<S> for Valid<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Validate<Context: Default>,
{
    type Rejection = Response;

    /// Content type, size and syntax are axum's to judge; the rest is what messages do.
    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let body = Json::<Box<RawValue>>::from_request(request, state).await;
        let Json(text) = body.map_err(IntoResponse::into_response)?;
        let payload = Payload::from_json(Box::<str>::from(text).into_string());
        decode(&payload).map_err(failed)
    }
}
