//! From what a handler returns to an HTTP response; from a [`TransportError`] to a status.

use std::convert::Infallible;

use axum::Json;
use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use nestrs_core::log_limit::LogLimit;
use nestrs_core::{ErrorKind, INTERNAL_SERVER_ERROR, Payload, TransportError};
use serde::Serialize;
use serde_json::{Value, json};

/// Decides by type whether what a method returned is a `Result`, whatever its name: aliases hide it from macros.
#[derive(Debug)]
pub struct ResponseOutcomeOf<'a, T>(pub &'a T);

/// The outcome is a `Result`.
pub trait FallibleResponse {
    /// The kind of outcome this is.
    fn kind(&self) -> FallibleResponseKind {
        FallibleResponseKind
    }
}
impl<T, E> FallibleResponse for &ResponseOutcomeOf<'_, Result<T, E>> {}

/// The outcome is the value itself.
pub trait PlainResponse {
    /// The kind of outcome this is.
    fn kind(&self) -> PlainResponseKind {
        PlainResponseKind
    }
}
impl<T> PlainResponse for ResponseOutcomeOf<'_, T> {}

/// See [`FallibleResponse`].
#[derive(Debug)]
pub struct FallibleResponseKind;
/// See [`PlainResponse`].
#[derive(Debug)]
pub struct PlainResponseKind;

impl FallibleResponseKind {
    /// The outcome as it is.
    ///
    /// # Errors
    /// The handler's own.
    pub fn split<T, E>(self, outcome: Result<T, E>) -> Result<T, E> {
        outcome
    }
}

impl PlainResponseKind {
    /// The value, which is no error.
    ///
    /// # Errors
    /// Never.
    pub fn split<T>(self, outcome: T) -> Result<T, Infallible> {
        Ok(outcome)
    }
}

/// Decides by type what a returned value means: axum's own conversion where there is one, JSON otherwise.
#[derive(Debug)]
pub struct ResponseOf<'a, T>(pub &'a T);

/// The value is one that axum converts.
pub trait AxumResponse {
    /// How it is converted.
    type Kind;
    /// The kind of response this value makes.
    fn kind(&self) -> Self::Kind;
}
impl<T: IntoResponse> AxumResponse for &&ResponseOf<'_, T> {
    type Kind = AxumKind;
    fn kind(&self) -> AxumKind {
        AxumKind
    }
}
// Around a value that is JSON all the same, so that interceptors see it.
impl<T: Serialize> AxumResponse for &&&ResponseOf<'_, Json<T>> {
    type Kind = AxumJsonKind;
    fn kind(&self) -> AxumJsonKind {
        AxumJsonKind
    }
}
impl<T: Serialize> AxumResponse for &&&ResponseOf<'_, (StatusCode, Json<T>)> {
    type Kind = AxumJsonKind;
    fn kind(&self) -> AxumJsonKind {
        AxumJsonKind
    }
}

/// The value is `()`: an empty body.
pub trait EmptyResponse {
    /// The kind of response this value makes.
    fn kind(&self) -> AxumKind {
        AxumKind
    }
}
impl EmptyResponse for &ResponseOf<'_, ()> {}

/// The value is anything else: JSON.
pub trait JsonResponse {
    /// The kind of response this value makes.
    fn kind(&self) -> JsonKind {
        JsonKind
    }
}
impl<T> JsonResponse for ResponseOf<'_, T> {}

/// See [`AxumResponse`].
#[derive(Debug)]
pub struct AxumKind;
/// See [`JsonResponse`].
#[derive(Debug)]
pub struct JsonKind;
/// axum's [`Json`], alone or with a status.
#[derive(Debug)]
pub struct AxumJsonKind;

/// Marks a response that a handler made, as against one that an extractor refused the request with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answered;

impl AxumKind {
    /// Converts the value.
    pub fn respond<T: IntoResponse>(self, value: T) -> Response {
        let mut response = value.into_response();
        response.extensions_mut().insert(Answered);
        response
    }
}

/// The value that a JSON response was made of, for interceptors.
#[derive(Clone, Debug)]
pub(super) struct JsonValue(pub(super) Payload);

impl JsonKind {
    /// Converts the value.
    pub fn respond<T: Serialize>(self, value: T) -> Response {
        match Payload::from_serialize(&value) {
            Ok(payload) => json_response(payload),
            Err(error) => failed(error),
        }
    }
}

/// What is JSON in axum's own way.
pub trait JsonAndStatus {
    /// What the body is made of.
    type Value: Serialize;
    /// The status and the value.
    fn split(self) -> (StatusCode, Self::Value);
}

impl<T: Serialize> JsonAndStatus for Json<T> {
    type Value = T;
    fn split(self) -> (StatusCode, T) {
        (StatusCode::OK, self.0)
    }
}

impl<T: Serialize> JsonAndStatus for (StatusCode, Json<T>) {
    type Value = T;
    fn split(self) -> (StatusCode, T) {
        let (status, Json(value)) = self;
        (status, value)
    }
}

impl AxumJsonKind {
    /// Converts the value.
    pub fn respond<T: JsonAndStatus>(self, value: T) -> Response {
        let (status, value) = value.split();
        match Payload::from_serialize(&value) {
            Ok(payload) => {
                let mut response = json_response(payload);
                *response.status_mut() = status;
                response
            }
            Err(error) => failed(error),
        }
    }
}

/// 200 and a JSON body.
pub(super) fn json_response(payload: Payload) -> Response {
    let mut response = ([(CONTENT_TYPE, "application/json")], Body::from(payload.to_bytes())).into_response();
    response.extensions_mut().insert(JsonValue(payload));
    response.extensions_mut().insert(Answered);
    response
}

/// A call that failed, on its way through the stages; the layer of its route writes the response.
#[derive(Clone, Debug)]
pub(super) struct Failed(pub(super) TransportError);

pub(crate) fn failed(error: TransportError) -> Response {
    let mut response = status_of(&error).into_response();
    response.extensions_mut().insert(Failed(error));
    response
}

/// Decides by type what a returned error means.
#[derive(Debug)]
pub struct ErrorOf<'a, E>(pub &'a E);

/// The error is one that axum converts.
pub trait AxumError {
    /// The kind of response this error makes.
    fn kind(&self) -> AxumKind {
        AxumKind
    }
}
impl<E: IntoResponse> AxumError for &ErrorOf<'_, E> {}

/// The error converts into a [`TransportError`].
pub trait CallError {
    /// The kind of response this error makes.
    fn kind(&self) -> CallErrorKind {
        CallErrorKind
    }
}
impl<E> CallError for ErrorOf<'_, E> {}

/// See [`CallError`].
#[derive(Debug)]
pub struct CallErrorKind;

impl CallErrorKind {
    /// Converts the error.
    pub fn respond<E: nestrs_core::HandlerError>(self, error: E) -> Response {
        failed(error.into_transport_error())
    }
}

/// The status that fits an error which reached an HTTP handler.
///
/// | error | status |
/// |---|---|
/// | nobody handles the pattern ([`ErrorKind::NotFound`]) | 404 |
/// | [`ErrorKind::InvalidPayload`] | 400, or a number from 400 to 499 that its details state as below |
/// | [`ErrorKind::Unauthorized`], [`ErrorKind::Forbidden`] | 401, 403 |
/// | [`ErrorKind::TooLarge`] | 413 |
/// | [`ErrorKind::InvalidReply`] | 502 |
/// | no connection, a lost one, a closed or overloaded client | 503 |
/// | [`ErrorKind::Timeout`] | 504 |
/// | an application's or remote error with a number from 400 to 599 as `statusCode`, `status` or `code` in its details, or in the details of the service it comes from | that |
/// | anything else | 500 |
///
/// ```
/// use nestrs::{ErrorKind, TransportError, status_of};
///
/// assert_eq!(status_of(&TransportError::new("no such order").with_kind(ErrorKind::NotFound)), 404);
/// assert_eq!(status_of(&TransportError::new("taken").with_details(serde_json::json!({ "statusCode": 409 }))), 409);
/// assert_eq!(status_of(&TransportError::new("boom")), 500);
/// ```
#[must_use]
pub fn status_of(error: &TransportError) -> StatusCode {
    match error.kind() {
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::InvalidPayload => {
            stated_status(error).filter(StatusCode::is_client_error).unwrap_or(StatusCode::BAD_REQUEST)
        }
        ErrorKind::Unauthorized => StatusCode::UNAUTHORIZED,
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::InvalidReply => StatusCode::BAD_GATEWAY,
        ErrorKind::Unavailable | ErrorKind::ConnectionClosed | ErrorKind::Closed | ErrorKind::Overloaded => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        ErrorKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        ErrorKind::Application | ErrorKind::Remote => stated_status(error).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Where an application may put the status into its error.
const STATED: [&str; 3] = ["statusCode", "status", "code"];

/// The status that an application put into its error.
fn stated_status(error: &TransportError) -> Option<StatusCode> {
    let details = error.details.as_ref()?;
    let stated = |details: &Value| STATED.iter().find_map(|member| details.get(member)?.as_u64());
    // One that came from a remote service has its own details inside.
    stated(details)
        .or_else(|| stated(details.get("details")?))
        .filter(|code| (400..600).contains(code))
        .and_then(|code| StatusCode::from_u16(u16::try_from(code).ok()?).ok())
}

/// The response to an error, in NestJS's shape: `{"statusCode":404,"message":"…"}`, with the application's `details`; an
/// error of exactly some JSON object is that object, as NestJS's `new HttpException(object, status)` is. What the error
/// does not mean for callers is replaced by the name of the status: a 500 is told only where the application states it, as
/// the filters of NestJS's documentation do that catch everything.
///
/// Every failure is logged: at `error` a 500, and what the caller does not learn.
pub(super) fn respond_error(error: &TransportError, handler: &str, route: &str) -> Response {
    let status = status_of(error);
    let is_internal = status == StatusCode::INTERNAL_SERVER_ERROR;
    let states_it = error.kind() == ErrorKind::Application && stated_status(error).is_some();
    let told = !error.is_withheld() && (!is_internal || states_it);
    log_failure(error, told && !is_internal, status.as_u16(), handler, route);
    let message = match status {
        _ if told => error.message.as_str(),
        StatusCode::INTERNAL_SERVER_ERROR => INTERNAL_SERVER_ERROR,
        status => status.canonical_reason().unwrap_or(INTERNAL_SERVER_ERROR),
    };
    let mut body = body_of(status, message);
    // What the application says to its callers, it says in full; what a remote service said of itself, it does not.
    if told
        && error.kind() != ErrorKind::Remote
        && let Some(details) = &error.details
    {
        if details.is_object() && error.to_wire() == *details {
            return (status, Json(details.clone())).into_response();
        }
        if let Some(lines) = violations(error) {
            body["message"] = lines.into();
        }
        let is_status_alone = |details: &Value| {
            details.as_object().is_some_and(|members| members.keys().all(|key| STATED.contains(&key.as_str())))
        };
        if !is_status_alone(details) {
            body["details"] = details.clone();
        }
    }
    (status, Json(body)).into_response()
}

fn log_failure(error: &TransportError, expected: bool, status: u16, handler: &str, route: &str) {
    if !expected {
        static FAILURES: LogLimit = LogLimit::per_second(100);
        FAILURES.pass(|suppressed| {
            let (error, cause) = (error.message_for_log(), error.cause_for_log());
            let suppressed = (suppressed > 0).then_some(suppressed);
            tracing::error!(target: "nestrs::http", handler, route, status, error, cause, suppressed, "HTTP handler failed");
        });
    } else if error.kind() == ErrorKind::InvalidPayload {
        // Its text may hold parts of the request.
        let reason = error.misfit_for_log();
        tracing::debug!(target: "nestrs::http", handler, route, status, reason, "the request does not fit the handler");
    } else {
        let error = error.message_for_log();
        tracing::debug!(target: "nestrs::http", handler, route, status, error, "HTTP handler answered with an error");
    }
}

/// The violations that a validation tells, a line each.
fn violations(error: &TransportError) -> Option<Vec<String>> {
    let details = error.details.as_ref()?;
    let text = |violation: &Value, member: &str| violation[member].as_str().unwrap_or_default().to_owned();
    let line = |violation: &Value| match (text(violation, "path"), text(violation, "message")) {
        (path, message) if path.is_empty() => message,
        (path, message) => format!("{path}: {message}"),
    };
    let mut lines: Vec<String> = details.get("violations")?.as_array()?.iter().map(line).collect();
    if let Some(left_out) = details.get("leftOut") {
        lines.push(format!("and {left_out} more"));
    }
    Some(lines)
}

pub(super) fn error_body(status: StatusCode, message: &str) -> Response {
    (status, Json(body_of(status, message))).into_response()
}

fn body_of(status: StatusCode, message: &str) -> Value {
    let mut body = json!({ "statusCode": status.as_u16(), "message": message });
    if let Some(name) = status.canonical_reason().filter(|name| !name.eq_ignore_ascii_case(message)) {
        body["error"] = Value::from(name);
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_the_status_that_fits() {
        let of = |kind| status_of(&TransportError::new("x").with_kind(kind)).as_u16();
        assert_eq!(of(ErrorKind::NotFound), 404);
        assert_eq!(of(ErrorKind::Timeout), 504);
        assert_eq!(of(ErrorKind::Unavailable), 503);
        assert_eq!(of(ErrorKind::ConnectionClosed), 503);
        assert_eq!(of(ErrorKind::Application), 500);
        assert_eq!(of(ErrorKind::Internal), 500);
        let misfit = |code: u16| TransportError::new("x").with_details(json!({ "statusCode": code }));
        let misfit = |code| status_of(&misfit(code).with_kind(ErrorKind::InvalidPayload)).as_u16();
        assert_eq!((of(ErrorKind::InvalidPayload), misfit(422), misfit(500)), (400, 422, 400));
        let stated = |details| status_of(&TransportError::from_wire(details)).as_u16();
        assert_eq!(stated(json!({"statusCode": 409, "message": "m"})), 409);
        assert_eq!(stated(json!({"status": "error", "code": 422})), 422);
        assert_eq!(stated(json!({"status": "error", "message": "m"})), 500);
        assert_eq!(stated(json!({"code": 42})), 500);
        assert_eq!(stated(json!({"status": "error", "message": "m", "details": {"statusCode": 409}})), 409);
    }

    #[test]
    fn violations_are_told_a_line_each() {
        let details = json!({
            "violations": [{ "path": "name", "message": "too short" }, { "path": "", "message": "odd" }],
            "leftOut": 5,
        });
        let error = TransportError::new("Validation failed").with_details(details);
        assert_eq!(violations(&error).unwrap(), ["name: too short", "odd", "and 5 more"]);
        assert_eq!(violations(&TransportError::new("x")), None);
    }
}
