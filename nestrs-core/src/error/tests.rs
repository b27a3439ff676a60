use std::error::Error;

use serde_json::{Value, json};

use super::*;

#[test]
fn the_wire_form_is_what_nestjs_writes() {
    let check = |error: TransportError, wire: Value| {
        assert_eq!(error.to_wire(), wire);
        assert_eq!(serde_json::from_str::<Value>(&error.to_wire_json()).unwrap(), wire);
    };
    assert_eq!(TransportError::new("a\"b").to_wire_json(), r#"{"status":"error","message":"a\"b"}"#);
    check(TransportError::new("boom"), json!({"status": "error", "message": "boom"}));
    check(
        TransportError::new("boom").with_details(json!([1])),
        json!({"status": "error", "message": "boom", "details": [1]}),
    );
    check(TransportError::exact(json!({"code": 42})), json!({"code": 42}));
    check(TransportError::exact(json!("text")), json!("text"));
    for falsy in [json!(null), json!(false), json!(0), json!(0.0), json!("")] {
        check(TransportError::exact(falsy.clone()), json!({"status": "error", "message": falsy}));
    }
}

#[test]
fn reading_an_err_loses_nothing_and_passing_it_on_changes_nothing() {
    for err in [json!("text"), json!({"message": "m", "x": 1}), json!({"code": 7}), json!([1]), json!(5)] {
        let error = TransportError::from_wire(err.clone());
        assert_eq!(error.details.as_ref(), Some(&err));
        assert_eq!(error.to_wire(), err);
        let again: TransportError = serde_json::from_value(serde_json::to_value(&error).unwrap()).unwrap();
        assert_eq!(again, error);
    }
    assert_eq!(TransportError::from_wire(json!({"message": "m"})).message, "m");
    assert_eq!(TransportError::from_wire(json!("text")).message, "text");
}

#[test]
fn rq_4_foreign_errors_are_withheld_from_callers() {
    fn fails() -> Result<u8, TransportError> {
        Ok("secret".parse::<u8>()?)
    }
    let error = fails().unwrap_err();
    assert_eq!(error.to_wire()["message"], INTERNAL_SERVER_ERROR);
    assert!(error.source().is_some());
    assert!(!error.to_wire().to_string().contains("digit"));
}

#[test]
fn every_failure_of_the_machinery_is_withheld_whatever_its_kind() {
    let error =
        TransportError::withheld(ErrorKind::Unavailable, "no route to db:5432").with_details(json!({"host": "db"}));
    assert_eq!(error.to_wire(), json!({"status": "error", "message": INTERNAL_SERVER_ERROR}));
    assert_eq!(
        (error.kind(), error.is_withheld(), &*error.message),
        (ErrorKind::Unavailable, true, "no route to db:5432")
    );
    assert!(!TransportError::new("x").is_withheld());
}

#[test]
fn what_is_changed_on_the_way_is_what_the_next_caller_reads() {
    let remote = || TransportError::from_wire(json!({"status": "error", "message": "m", "code": 7}));

    let mut renamed = remote();
    renamed.message = "orders: m".into();
    let details = json!({"status": "error", "message": "m", "code": 7});
    assert_eq!(renamed.to_wire(), json!({"status": "error", "message": "orders: m", "details": details}));

    let detailed = remote().with_details(json!(1));
    assert_eq!(detailed.to_wire(), json!({"status": "error", "message": "m", "details": 1}));

    let mut silenced = TransportError::exact(json!({"code": 42}));
    silenced.details = None;
    assert_eq!(silenced.to_wire(), json!({"status": "error", "message": r#"{"code":42}"#}));

    // What a caller cannot read may change.
    let kept = remote().with_kind(ErrorKind::Timeout).with_sent(Sent::Maybe).with_source("secret");
    assert_eq!(kept.to_wire(), remote().to_wire());
}

#[test]
fn a_falsy_err_that_was_read_is_still_an_error_when_passed_on() {
    for falsy in [json!(null), json!(false), json!(0), json!(-0.0), json!("")] {
        let wire = TransportError::from_wire(falsy).to_wire();
        assert_eq!(wire["status"], "error", "{wire}");
    }
    assert_eq!(TransportError::from_wire(json!([])).to_wire(), json!([]), "an empty array is truthy in JavaScript");
}

#[test]
fn cl_4_a_refusal_is_not_passed_on_as_a_refusal_of_ones_own() {
    let refusal = TransportError::not_executed(ErrorKind::Overloaded, "Service overloaded");
    let wire = json!({"status": "error", "message": "Service overloaded", "executed": false});
    assert_eq!(refusal.to_wire(), wire);
    // This service has begun; only the one it asked has not.
    let remote = TransportError::from_wire(wire.clone());
    assert!(remote.was_not_executed());
    assert_eq!(remote.details, Some(wire.clone()));
    assert_eq!(remote.to_wire(), json!({"status": "error", "message": "Service overloaded"}));
    assert_eq!(TransportError::exact(wire.clone()).to_wire(), wire, "what an application says, it says");
}

#[test]
fn the_message_of_an_err_is_text_whatever_its_type() {
    let check = |err: Value, message: &str| assert_eq!(TransportError::from_wire(err).message, message);
    check(json!({"message": ["a", 1]}), r#"["a",1]"#);
    check(json!({"message": null}), "null");
    check(json!(5), "5");
    check(json!({"code": 42}), r#"{"code":42}"#);
}

#[test]
fn cl_3_an_error_says_whether_the_request_may_have_been_sent() {
    assert_eq!(TransportError::new("x").sent(), None);
    assert_eq!(TransportError::new("x").with_sent(Sent::No).sent(), Some(Sent::No));
}

#[test]
fn display_is_the_message_and_the_cause_is_the_source() {
    let error = TransportError::new("cannot place order").with_source(std::io::Error::other("disk full"));
    assert_eq!(error.to_string(), "cannot place order");
    assert_eq!(error.source().unwrap().to_string(), "disk full");
    assert_eq!(error.clone().source().unwrap().to_string(), "disk full", "clones share it");
    assert_eq!(
        format!("{:?}", TransportError::new("m").with_details(json!(1)).with_sent(Sent::No)),
        r#"TransportError { kind: Application, message: "m", details: Number(1), sent: No }"#,
    );
    assert!(format!("{error:?}").contains("disk full"));
}

#[test]
fn errors_are_equal_when_no_caller_could_tell_them_apart() {
    let error = || TransportError::new("m");
    assert_eq!(error().with_sent(Sent::No).with_source("a"), error());
    assert_ne!(error().with_kind(ErrorKind::Timeout), error());
    assert_ne!(error().with_details(json!(null)), error());
}

#[test]
fn an_error_is_no_larger_than_its_public_half_and_a_pointer() {
    assert!(size_of::<TransportError>() <= size_of::<(String, Option<Value>, usize)>());
}
