//! What the methods of a block may return, and the replies it becomes.
#![allow(clippy::unused_async, reason = "what a handler looks like is not a matter of its body")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{Stream, StreamExt, stream};
use nestrs::{ErrorKind, ExecutionContext, FromContext, TransportError};
use nestrs_macros::{injectable, micro_routes, module};
use serde::Serialize;
use serde_json::{Value, json};
use support::{Answer, booted, send};

#[derive(Serialize)]
struct Pair {
    a: i64,
    b: i64,
}

struct Refused;

impl From<Refused> for TransportError {
    fn from(_: Refused) -> Self {
        Self::new("refused")
    }
}

struct Tenant(String);

impl<'a> FromContext<'a> for Tenant {
    fn from_context(cx: &'a ExecutionContext) -> Result<Self, TransportError> {
        cx.metadata()
            .get("tenant")
            .map(|tenant| Self(tenant.to_owned()))
            .ok_or_else(|| TransportError::new("no tenant"))
    }
}

type Hidden<T> = Result<T, Refused>;

#[injectable]
struct Replies {
    #[inject(value = vec![1, 2, 3])]
    numbers: Vec<u64>,
    closed: Arc<Closed>,
}

#[injectable]
struct Closed(AtomicUsize);

/// Counts itself when dropped: whoever drives a stream must let go of its arguments.
struct OnDrop(Arc<Closed>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[micro_routes]
impl Replies {
    #[message_pattern("unit")]
    fn unit(&self) {}

    #[message_pattern("unit.result")]
    async fn unit_result(&self) -> Result<(), Refused> {
        Ok(())
    }

    #[message_pattern("option")]
    fn option(&self, some: bool) -> Option<u8> {
        some.then_some(7)
    }

    #[message_pattern("refused")]
    async fn refused(&self) -> Result<u8, Refused> {
        Err(Refused)
    }

    #[message_pattern("hidden")]
    async fn hidden(&self, fail: bool) -> Hidden<Pair> {
        if fail { Err(Refused) } else { Ok(Pair { a: 1, b: 2 }) }
    }

    #[message_pattern("io")]
    async fn io(&self) -> std::io::Result<u8> {
        Err(std::io::Error::other("secret"))
    }

    #[message_pattern("borrowing")]
    fn borrowing(&self) -> impl Stream<Item = &u64> {
        stream::iter(&self.numbers)
    }

    #[message_pattern("borrowing.all")]
    async fn borrowing_all(
        &self,
        times: u64,
        cx: &ExecutionContext,
        tenant: Tenant,
    ) -> Result<impl Stream<Item = Result<String, Refused>>, Refused> {
        if times == 0 {
            return Err(Refused);
        }
        let closed = OnDrop(Arc::clone(&self.closed));
        let prefix = format!("{} {} ", cx.pattern(), tenant.0);
        Ok(stream::iter(&self.numbers).map(move |number| {
            let _ = &closed;
            if *number * times > 10 { Err(Refused) } else { Ok(format!("{prefix}{}", number * times)) }
        }))
    }

    #[message_pattern("boxed")]
    fn boxed(&self) -> stream::BoxStream<'_, u64> {
        stream::iter(&self.numbers).map(|number| number * 10).boxed()
    }

    #[message_pattern("concrete")]
    fn concrete(&self) -> stream::Iter<std::array::IntoIter<u8, 2>> {
        stream::iter([1, 2])
    }

    #[message_pattern("concrete.results")]
    fn concrete_results(&self) -> stream::Iter<std::array::IntoIter<Result<u8, Refused>, 3>> {
        stream::iter([Ok(1), Err(Refused), Ok(2)])
    }
}

#[module(providers = [Replies, Closed], microservices = [Replies])]
struct AppModule;

#[test]
fn each_return_type_is_the_reply_it_looks_like() {
    let app = booted::<AppModule>();
    let answer = |pattern: &str, payload: Value| send(&app, pattern, payload);
    assert_eq!(answer("unit", json!(null)).unwrap(), Answer::Empty);
    assert_eq!(answer("unit.result", json!(null)).unwrap(), Answer::Empty);
    assert_eq!(answer("option", json!(true)).unwrap(), Answer::Value(json!(7)));
    assert_eq!(answer("option", json!(false)).unwrap(), Answer::Value(json!(null)));
    assert_eq!(answer("refused", json!(null)).unwrap_err().message, "refused");
    assert_eq!(answer("hidden", json!(false)).unwrap(), Answer::Value(json!({ "a": 1, "b": 2 })));
    assert_eq!(answer("hidden", json!(true)).unwrap_err().message, "refused");
    assert!(answer("io", json!(null)).unwrap_err().is_withheld());
}

#[test]
fn streams_may_borrow_and_end_with_their_first_error() {
    let app = booted::<AppModule>();
    let items = |pattern: &str, payload: Value| match send(&app, pattern, payload).unwrap() {
        Answer::Stream(items) => {
            items.into_iter().map(|item| item.unwrap_or_else(|error| json!({ "error": error.message }))).collect()
        }
        other => json!(format!("{other:?}")),
    };
    let refused = json!({ "error": "refused" });
    assert_eq!(items("borrowing", json!(null)), json!([1, 2, 3]));
    assert_eq!(items("boxed", json!(null)), json!([10, 20, 30]));
    assert_eq!(items("concrete", json!(null)), json!([1, 2]));
    assert_eq!(items("concrete.results", json!(null)), json!([1, refused]));
    let first = "borrowing.all acme 5";
    assert_eq!(items("borrowing.all", json!(5)), json!([first, "borrowing.all acme 10", refused]));
    assert_eq!(items("borrowing.all", json!(0)), json!([refused]));
    // A payload that does not fit is a plain error: the stream never begins.
    let error = send(&app, "borrowing.all", json!("x")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidPayload);
    assert_eq!(app.root.get::<Closed>().unwrap().0.load(Ordering::SeqCst), 1);
}
