//! An error as the `err` of a response, and back.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

use super::INTERNAL_SERVER_ERROR;
use super::kind::ErrorKind;
use super::transport_error::TransportError;

impl TransportError {
    /// An error that travels as exactly this JSON, as NestJS's `new RpcException(object)` does.
    ///
    /// A NestJS client takes a falsy `err` (`null`, `false`, `0`, `""`) for success, so such a value is wrapped as
    /// `{"status":"error","message":<value>}`, which is what NestJS itself does.
    ///
    /// ```
    /// # use nestrs_core::TransportError; use serde_json::json;
    /// assert_eq!(TransportError::exact(json!({ "code": 42 })).to_wire(), json!({ "code": 42 }));
    /// assert_eq!(TransportError::exact(json!("")).to_wire(), json!({ "status": "error", "message": "" }));
    /// ```
    #[must_use]
    pub fn exact(err: Value) -> Self {
        let err = if is_falsy(&err) { json!({ "status": "error", "message": err }) } else { err };
        let mut error = Self::new(message_of(&err)).with_details(err.clone());
        error.rest.exact = Some(err);
        error
    }

    /// Reads the `err` of a response, whatever its shape. `details` holds the whole of it, `message` its `message`
    /// member, the string itself, or else its JSON text.
    #[must_use]
    pub fn from_wire(err: Value) -> Self {
        let mut error = Self::new(message_of(&err)).with_details(err.clone()).with_kind(ErrorKind::Remote);
        error.rest.exact = Some(err);
        error.rest.remote = true;
        error
    }

    /// The `err` member of a response. Never falsy, so every peer takes it for an error.
    #[must_use]
    pub fn to_wire(&self) -> Value {
        if self.rest.withheld {
            return json!({ "status": "error", "message": INTERNAL_SERVER_ERROR });
        }
        // Someone who changes the message or the details of an error on its way wants the change to be read.
        let unchanged = |exact: &&Value| self.details.as_ref() == Some(exact) && self.message == message_of(exact);
        if let Some(exact) = self.rest.exact.as_ref().filter(|exact| !is_falsy(exact)).filter(unchanged) {
            let mut exact = exact.clone();
            // What a service behind this one did not execute says nothing about this one, which got as far as asking it.
            if self.rest.remote
                && let Value::Object(members) = &mut exact
            {
                members.remove("executed");
            }
            return exact;
        }
        match &self.details {
            None if self.rest.not_executed => {
                json!({ "status": "error", "message": self.message, "executed": false })
            }
            None => json!({ "status": "error", "message": self.message }),
            Some(details) => json!({ "status": "error", "message": self.message, "details": details }),
        }
    }

    /// [`TransportError::to_wire`] as JSON text, its members in the order in which NestJS writes them.
    #[must_use]
    pub fn to_wire_json(&self) -> String {
        let text = |message: &str| Value::from(message).to_string();
        match &self.details {
            _ if self.rest.withheld => format!(r#"{{"status":"error","message":"{INTERNAL_SERVER_ERROR}"}}"#),
            _ if self.rest.exact.is_some() => self.to_wire().to_string(),
            None if self.rest.not_executed => {
                format!(r#"{{"status":"error","message":{},"executed":false}}"#, text(&self.message))
            }
            None => format!(r#"{{"status":"error","message":{}}}"#, text(&self.message)),
            Some(details) => {
                format!(r#"{{"status":"error","message":{},"details":{details}}}"#, text(&self.message))
            }
        }
    }

    /// True for a [`TransportError::not_executed`], also when it came over the wire.
    pub(super) fn says_not_executed(&self) -> bool {
        let told = |exact: &Value| exact.get("executed") == Some(&Value::Bool(false));
        self.rest.not_executed || self.rest.exact.as_ref().is_some_and(told)
    }
}

fn message_of(err: &Value) -> String {
    match err {
        Value::String(text) => text.clone(),
        Value::Object(members) => match members.get("message") {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => err.to_string(),
        },
        other => other.to_string(),
    }
}

/// What JavaScript's `if (err)` does not enter.
fn is_falsy(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(truth) => !truth,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(_) | Value::Object(_) => false,
    }
}

/// Writes the wire form ([`TransportError::to_wire`]).
impl Serialize for TransportError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_wire().serialize(serializer)
    }
}

/// Reads the wire form ([`TransportError::from_wire`]); any JSON value will do.
impl<'de> Deserialize<'de> for TransportError {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::from_wire)
    }
}
