//! Reading one argument from a message.

use std::any::type_name;
use std::str::FromStr;

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::json;

use crate::argument::lenient::{FromLenient, Lenient};
use crate::context::ExecutionContext;
use crate::error::{ErrorKind, TransportError};
use crate::injectable::short_type_name;
use crate::payload::Payload;

/// The part of a payload that an argument is read from: all of it, or one property.
#[derive(Clone, Copy, Debug)]
pub struct PayloadPart<'a> {
    payload: &'a Payload,
    property: Option<&'a str>,
}

impl<'a> PayloadPart<'a> {
    /// The property it is; `None` for a whole payload.
    #[must_use]
    pub const fn property(&self) -> Option<&'a str> {
        self.property
    }

    /// Decodes it.
    ///
    /// # Errors
    /// When it does not fit.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, TransportError> {
        match self.property {
            None => self.payload.decode(),
            Some(name) => self.payload.property(name),
        }
    }
}

/// A type that a payload, or a property of one, is decoded into.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from a payload",
    label = "not `Deserialize`, or borrowing what it is read from",
    note = "derive `serde::Deserialize` for it; if it comes from the context instead, mark the argument `#[ctx]`",
    note = "`Valid<T>` asks for rules too: derive `garde::Validate` for its `T`"
)]
pub trait HandlerPayload: Sized {
    /// Decodes it.
    ///
    /// # Errors
    /// When the payload does not fit.
    fn from_payload(part: PayloadPart<'_>) -> Result<Self, TransportError>;
}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned + 'static> HandlerPayload for T {
    fn from_payload(part: PayloadPart<'_>) -> Result<Self, TransportError> {
        match part.property {
            None => part.payload.receive(),
            Some(_) => part.decode(),
        }
    }
}

/// Decodes an argument that is the whole payload.
///
/// # Errors
/// When the payload does not fit.
pub fn decode<T: HandlerPayload>(payload: &Payload) -> Result<T, TransportError> {
    T::from_payload(PayloadPart { payload, property: None })
}

/// Receives an argument that is the whole payload behind a pointer.
///
/// # Errors
/// When the payload does not fit.
pub fn decode_shared<T: HandlerPayload + DeserializeOwned + 'static>(
    payload: &Payload,
) -> Result<Arc<T>, TransportError> {
    payload.receive_shared()
}

/// Decodes an argument that is one property of the payload.
///
/// # Errors
/// When the property does not fit, or is missing and `T` is no `Option`.
pub fn property<T: HandlerPayload>(payload: &Payload, name: &str) -> Result<T, TransportError> {
    T::from_payload(PayloadPart { payload, property: Some(name) })
}

/// A type that a metadata value is parsed into.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be parsed from a header",
    label = "not `FromStr`",
    note = "implement `std::str::FromStr` for it, or take a `String`"
)]
pub trait ParsedHeader: FromStr {}
#[diagnostic::do_not_recommend]
impl<T: FromStr> ParsedHeader for T {}

/// Parses the metadata value `name`.
///
/// # Errors
/// When the packet has none of that name, or `T` does not parse it. The value is never repeated.
pub fn header<T: ParsedHeader>(cx: &ExecutionContext, name: &str) -> Result<T, TransportError> {
    header_optional(cx, name)?.ok_or_else(|| missing(name))
}

/// Parses the metadata value `name`, if there is one.
///
/// # Errors
/// When `T` does not parse it.
pub fn header_optional<T: ParsedHeader>(cx: &ExecutionContext, name: &str) -> Result<Option<T>, TransportError> {
    let parse = |text: &str| text.parse().map_err(|_| misfit(name, &short_type_name(type_name::<T>())));
    cx.metadata().get(name).map(parse).transpose()
}

/// What a pipe can make of a metadata value: its `Input`.
#[diagnostic::on_unimplemented(
    message = "a pipe for `{Self}` cannot begin with a header",
    label = "a header is text: `String`, `Option<String>`, or what `ParseIntPipe` and its like take"
)]
pub trait HeaderInput: Sized {
    /// Makes it.
    ///
    /// # Errors
    /// When there is no value, or it does not fit.
    fn from_header(text: Option<&str>, name: &str) -> Result<Self, TransportError>;
}

impl HeaderInput for String {
    fn from_header(text: Option<&str>, name: &str) -> Result<Self, TransportError> {
        text.map(str::to_owned).ok_or_else(|| missing(name))
    }
}

impl HeaderInput for Option<String> {
    fn from_header(text: Option<&str>, _: &str) -> Result<Self, TransportError> {
        Ok(text.map(str::to_owned))
    }
}

impl<T: FromLenient> HeaderInput for Lenient<T> {
    fn from_header(text: Option<&str>, name: &str) -> Result<Self, TransportError> {
        Option::<Self>::from_header(text, name)?.ok_or_else(|| missing(name))
    }
}

impl<T: FromLenient> HeaderInput for Option<Lenient<T>> {
    fn from_header(text: Option<&str>, name: &str) -> Result<Self, TransportError> {
        text.map(|text| T::from_text(text).map(Lenient).ok_or_else(|| misfit(name, T::EXPECTED))).transpose()
    }
}

/// Reads the metadata value `name` for a pipe.
///
/// # Errors
/// As [`HeaderInput::from_header`].
pub fn header_input<T: HeaderInput>(cx: &ExecutionContext, name: &str) -> Result<T, TransportError> {
    T::from_header(cx.metadata().get(name), name)
}

fn missing(name: &str) -> TransportError {
    refuse(format!("the header `{name}` is missing"), name)
}

fn misfit(name: &str, expected: &str) -> TransportError {
    refuse(format!("the header `{name}` does not hold {expected}"), name)
}

fn refuse(message: String, name: &str) -> TransportError {
    TransportError::new(message).with_details(json!({ "header": name })).with_kind(ErrorKind::InvalidPayload)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::ContextKind;

    #[test]
    fn a_header_that_does_not_fit_is_named_and_its_value_is_not() {
        let metadata = [("x-version", "secret"), ("x-limit", "42")].into_iter().collect();
        let cx = ExecutionContext::new(ContextKind::Message, "a", Payload::absent()).with_metadata(Some(metadata));
        assert_eq!(header::<u8>(&cx, "x-limit").unwrap(), 42);
        assert_eq!(header_optional::<u8>(&cx, "x-none").unwrap(), None);
        assert_eq!(header_input::<Lenient<u8>>(&cx, "x-limit").unwrap().0, 42);
        let check = |error: TransportError, message: &str, name: &str| {
            assert_eq!((&*error.message, error.kind()), (message, ErrorKind::InvalidPayload));
            assert_eq!(error.details.unwrap(), json!({ "header": name }));
        };
        let wrong = "the header `x-version` does not hold u32";
        check(header::<u32>(&cx, "x-version").unwrap_err(), wrong, "x-version");
        check(header_optional::<u32>(&cx, "x-version").unwrap_err(), wrong, "x-version");
        let wrong = "the header `x-version` does not hold u32 or its text";
        check(header_input::<Lenient<u32>>(&cx, "x-version").map(|_| ()).unwrap_err(), wrong, "x-version");
        let missing = "the header `x-none` is missing";
        check(header::<String>(&cx, "x-none").unwrap_err(), missing, "x-none");
        check(header_input::<String>(&cx, "x-none").unwrap_err(), missing, "x-none");
    }
}
