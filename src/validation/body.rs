//! `Valid<T>` as an extractor: the JSON body of an HTTP request.

use axum::Json;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use garde::Validate;
use nestrs_core::__private::decode;
use nestrs_core::{Payload, TransportError};
use serde::de::DeserializeOwned;
use serde_json::json;
use serde_json::value::RawValue;

use super::valid::Valid;
use super::violations;

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
        decode(&payload).map_err(|error| refuse(&error))
    }
}

/// NestJS's shape of a bad request, `message` being a list where rules were broken.
fn refuse(error: &TransportError) -> Response {
    let status = StatusCode::BAD_REQUEST;
    let mut body = json!({ "statusCode": status.as_u16(), "message": error.message, "error": "Bad Request" });
    if let Some(lines) = violations::lines(error) {
        body["message"] = lines.into();
    }
    if let Some(details) = &error.details {
        body["details"] = details.clone();
    }
    (status, Json(body)).into_response()
}
