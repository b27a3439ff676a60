use std::time::Duration;

use super::*;

fn context() -> ExecutionContext {
    ExecutionContext::new(ContextKind::Message, "math.add", Payload::from_json("[1,2]"))
}

#[test]
fn a_bare_context_knows_the_call_and_nothing_else() {
    let cx = context();
    assert_eq!((cx.kind(), cx.pattern(), cx.handler()), (ContextKind::Message, "math.add", ""));
    assert_eq!(cx.payload(), &Payload::from_json("[1, 2]"));
    assert!(cx.metadata().is_empty());
    assert_eq!(cx.deadline(), None);
    assert!(cx.transport::<u8>().is_none());
    assert!(cx.extensions().get::<u8>().is_none());
}

#[test]
fn transports_add_what_they_know() {
    let deadline = Instant::now() + Duration::from_secs(1);
    let cx = context()
        .with_handler("Math::add")
        .with_metadata(Some([("x-version", "1")].into_iter().collect()))
        .with_deadline(Some(deadline))
        .with_transport(Arc::new("127.0.0.1:3000"));
    assert_eq!(cx.handler(), "Math::add");
    assert_eq!(cx.metadata().get("x-version"), Some("1"));
    assert_eq!(cx.deadline(), Some(deadline));
    assert_eq!(cx.transport::<&str>(), Some(&"127.0.0.1:3000"));
    assert!(cx.transport::<String>().is_none(), "another transport's");
}

#[test]
fn clones_share_what_stages_leave_and_different_calls_do_not() {
    let cx = context();
    let early = cx.clone();
    cx.extensions().insert("user");
    let late = cx.clone();
    late.extensions().insert(7_u8);
    assert_eq!(early.extensions().get::<&str>(), Some("user"));
    assert_eq!(cx.extensions().get::<u8>(), Some(7));
    assert!(context().extensions().get::<&str>().is_none());
}

#[test]
fn an_extension_replaces_one_of_its_type() {
    let extensions = Extensions::default();
    extensions.insert(1_u8);
    extensions.insert(2_u8);
    extensions.insert(3_u16);
    assert_eq!((extensions.get::<u8>(), extensions.get::<u16>()), (Some(2), Some(3)));
}

#[test]
fn metadata_is_sorted_and_compared_as_written() {
    let mut metadata: Metadata = [("b", "2"), ("a", "1")].into_iter().collect();
    metadata.insert("A", "3");
    metadata.insert("b", "4");
    assert_eq!(metadata.iter().collect::<Vec<_>>(), [("A", "3"), ("a", "1"), ("b", "4")]);
    assert!(!metadata.is_empty());
}

#[test]
fn se_5_debug_shows_neither_payloads_nor_values_of_metadata() {
    let secret = Payload::from_json(r#""secret""#);
    let metadata: Metadata = [("authorization", "secret")].into_iter().collect();
    assert_eq!(format!("{metadata:?}"), r#"Metadata{"authorization"}"#);
    let cx = ExecutionContext::new(ContextKind::Http, "/", secret).with_metadata(Some(metadata));
    cx.extensions().insert("secret");
    assert_eq!(format!("{cx:?}"), r#"ExecutionContext { kind: Http, pattern: "/", handler: "", .. }"#);
    assert_eq!(format!("{:?}", cx.extensions()), "Extensions");
}

#[test]
fn arguments_of_handlers_come_from_the_context() {
    fn argument<'a, T: FromContext<'a>>(cx: &'a ExecutionContext) -> T {
        T::from_context(cx).unwrap()
    }
    let deadline = Instant::now();
    let cx = context().with_metadata(Some([("a", "1")].into_iter().collect())).with_deadline(Some(deadline));
    assert_eq!(argument::<&ExecutionContext>(&cx).pattern(), "math.add");
    assert_eq!(argument::<ExecutionContext>(&cx).pattern(), "math.add");
    assert_eq!(argument::<&Metadata>(&cx).get("a"), Some("1"));
    assert_eq!(argument::<Metadata>(&cx).get("a"), Some("1"));
    assert_eq!(argument::<CalledPattern>(&cx), CalledPattern("math.add".into()));
    assert_eq!(argument::<Deadline>(&cx), Deadline(Some(deadline)));
    assert_eq!(argument::<Deadline>(&context()), Deadline(None));
}

#[test]
fn an_argument_that_cannot_be_made_is_an_error_or_none() {
    #[derive(Debug)]
    struct User;
    impl FromContext<'_> for User {
        fn from_context(cx: &ExecutionContext) -> Result<Self, TransportError> {
            cx.extensions().get::<u8>().map(|_| Self).ok_or_else(|| TransportError::new("who are you?"))
        }
    }
    let cx = context();
    assert_eq!(User::from_context(&cx).unwrap_err().message, "who are you?");
    assert!(Option::<User>::from_context(&cx).unwrap().is_none());
    cx.extensions().insert(1_u8);
    assert!(Option::<User>::from_context(&cx).unwrap().is_some());
}
