//! A value published in this process: handed to whoever takes its type, JSON for everyone else.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde::Serialize;

use super::written::Written;
use crate::error::TransportError;

/// What a payload knows of a value whose type it has forgotten.
pub(super) trait SharedValue: Send + Sync {
    /// Fills an `Option<T>` or an `Option<Arc<T>>` if `T` is the type of the value.
    fn fill(&self, slot: &mut dyn Any);

    /// The value as JSON, written at most once for all who ask.
    fn json(&self) -> Result<&Bytes, TransportError>;
}

pub(super) struct Shared<T> {
    value: Arc<T>,
    json: OnceLock<Result<Bytes, TransportError>>,
}

impl<T> Shared<T> {
    pub(super) fn new(value: Arc<T>) -> Self {
        Self { value, json: OnceLock::new() }
    }
}

impl<T: Clone + Serialize + Send + Sync + 'static> SharedValue for Shared<T> {
    fn fill(&self, slot: &mut dyn Any) {
        // A slot, and not a boxed clone: a handler's argument costs no allocation of ours.
        if let Some(slot) = slot.downcast_mut::<Option<T>>() {
            *slot = Some(T::clone(&self.value));
        } else if let Some(slot) = slot.downcast_mut::<Option<Arc<T>>>() {
            *slot = Some(Arc::clone(&self.value));
        }
    }

    fn json(&self) -> Result<&Bytes, TransportError> {
        let written = self.json.get_or_init(|| {
            let mut written = Written::new();
            super::write(&mut written, &*self.value).map(|()| written.into_bytes())
        });
        written.as_ref().map_err(Clone::clone)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde::{Deserialize, Serializer};
    use serde_json::{Value, json};

    use super::super::Payload;
    use super::*;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Order {
        #[serde(serialize_with = "counted")]
        id: u64,
    }

    static WRITTEN: AtomicUsize = AtomicUsize::new(0);

    fn counted<S: Serializer>(id: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        WRITTEN.fetch_add(1, Ordering::Relaxed);
        serializer.serialize_u64(*id)
    }

    #[test]
    fn its_own_type_gets_it_without_json_and_others_share_one_text() {
        let order = Arc::new(Order { id: 7 });
        let payload = Payload::from_shared(Arc::clone(&order));
        assert_eq!(payload.receive::<Order>().unwrap(), *order);
        assert!(Arc::ptr_eq(&payload.receive_shared::<Order>().unwrap(), &order));
        assert_eq!(WRITTEN.load(Ordering::Relaxed), 0);

        assert_eq!(payload.clone().value().unwrap(), &json!({ "id": 7 }));
        assert_eq!(payload.clone().into_value().unwrap(), json!({ "id": 7 }));
        assert_eq!(payload.receive::<Value>().unwrap(), json!({ "id": 7 }));
        assert_eq!(payload.decode::<Order>().unwrap(), *order);
        assert_eq!(payload.json().as_ref(), br#"{"id":7}"#);
        assert_eq!(serde_json::to_string(&payload).unwrap(), r#"{"id":7}"#);
        assert_eq!(WRITTEN.load(Ordering::Relaxed), 1);
        assert!(!payload.is_absent());
        assert_eq!(format!("{payload:?}"), "Payload(shared)");
    }

    #[test]
    fn json_is_received_by_decoding() {
        let payload = Payload::from_json(r#"{"id":8}"#);
        assert_eq!(payload.receive::<Order>().unwrap().id, 8);
        assert_eq!(payload.receive_shared::<Order>().unwrap().id, 8);
        assert!(Payload::from_json("[]").receive_shared::<u8>().is_err());
    }

    #[test]
    fn what_serde_refuses_is_still_handed_to_its_own_type() {
        let keys = std::collections::BTreeMap::from([((1, 2), 3)]);
        let payload = Payload::from_shared(Arc::new(keys.clone()));
        let mut slot = None::<std::collections::BTreeMap<(i32, i32), i32>>;
        payload.fill(&mut slot);
        assert_eq!(slot, Some(keys));
        assert!(payload.value().is_err());
        assert!(payload.decode::<Value>().is_err());
        assert!(serde_json::to_string(&payload).is_err());
        assert_eq!(payload.json().as_ref(), b"null");
    }
}
