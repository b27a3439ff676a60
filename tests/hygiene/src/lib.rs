//! Every macro, in a crate that has no prelude, shadows what generated code might mistake for std's, and knows nestrs by
//! another name.

#![no_implicit_prelude]
#![deny(warnings)]

use ::nest_framework::{contract, controller, event_routes, injectable, micro_routes, module, pattern};

/// What generated code must not pick up by accident.
#[expect(unreachable_pub, dead_code, reason = "they are there to be in the way")]
mod shadows {
    pub struct Result;
    pub struct Option;
    pub struct Box;
    pub struct Vec;
    pub struct String;
    pub struct Arc;
    pub struct Ok;
    pub struct Err;
    pub struct Some;
    pub struct None;
    pub struct Default;
    pub struct Send;
    pub struct Block;
    pub mod nest {}
    pub mod std {}
    pub mod core {}
}

#[expect(unused_imports, reason = "they are there to be in the way")]
use shadows::*;

/// A provider without fields.
#[derive(::std::fmt::Debug)]
#[injectable(crate = nest_framework)]
pub struct Clock;

/// A guard built by the container.
#[derive(::std::fmt::Debug)]
#[injectable(crate = nest_framework)]
pub struct Guard {
    clock: ::std::sync::Arc<Clock>,
}

impl ::nest_framework::CanActivate for Guard {
    async fn can_activate(
        &self,
        _cx: &::nest_framework::ExecutionContext,
    ) -> ::std::result::Result<(), ::nest_framework::TransportError> {
        let _ = &self.clock;
        ::std::result::Result::Ok(())
    }
}

/// A service with every kind of field.
#[derive(::std::fmt::Debug)]
#[injectable(crate = nest_framework)]
pub struct Service {
    clock: ::std::sync::Arc<Clock>,
    missing: ::std::option::Option<::std::sync::Arc<u8>>,
    #[inject("WORKERS")]
    workers: usize,
    calls: ::std::sync::atomic::AtomicU64,
}

#[micro_routes(crate = nest_framework)]
#[use_micro_guards(Guard)]
impl Service {
    #[message_pattern({ cmd: "workers" })]
    async fn workers(&self, _payload: ::std::option::Option<u8>) -> usize {
        self.calls.fetch_add(1, ::std::sync::atomic::Ordering::Relaxed);
        self.workers
    }

    #[message_pattern("fails")]
    async fn fails(&self) -> ::std::result::Result<u8, ::nest_framework::TransportError> {
        let _ = (&self.clock, &self.missing);
        ::std::result::Result::Err(::nest_framework::TransportError::new("no"))
    }

    #[event_pattern("done")]
    async fn done(&self, _payload: (), _cx: &::nest_framework::ExecutionContext) {}
}

#[event_routes(crate = nest_framework)]
impl Service {
    #[on_event("done")]
    async fn on_done(&self, _payload: ()) {}
}

#[controller("/service", crate = nest_framework)]
impl Service {
    #[get("/workers")]
    async fn get_workers(&self) -> usize {
        self.workers
    }
}

/// What another crate's services say to each other.
///
/// ```
/// // A crate that knows the contract from outside.
/// use nest_framework::prelude::*;
/// use nestrs_hygiene::TalkClient;
///
/// #[injectable(crate = nest_framework)]
/// struct Doubling;
///
/// #[micro_routes(crate = nest_framework, contract = nestrs_hygiene::Talk)]
/// impl Doubling {
///     async fn double(&self, numbers: Vec<u8>) -> Option<u16> {
///         numbers.first().map(|first| u16::from(*first) * 2)
///     }
///
///     async fn fallible(&self) -> Result<String, TransportError> {
///         Ok("no".to_owned())
///     }
///
///     fn r#type(&self, _: u64) {}
/// }
///
/// async fn call(client: TalkClient) -> Result<Option<u16>, TransportError> {
///     client.with_metadata("a", "b").double(vec![1]).await
/// }
/// ```
#[contract(crate = nest_framework, client = "TALK")]
pub trait Talk {
    /// Answered once.
    #[message_pattern({ cmd: "double" })]
    async fn double(&self, payload: ::std::vec::Vec<u8>) -> ::std::option::Option<u16>;

    /// May fail.
    #[message_pattern(PATTERN)]
    async fn fallible(&self) -> ::std::result::Result<::std::string::String, ::nest_framework::TransportError>;

    /// Not answered.
    #[event_pattern("talked")]
    async fn r#type(&self, _: u64);
}

/// A constant pattern, and what generated code must not mistake for its own.
pub const PATTERN: &str = "fallible";

#[micro_routes(crate = nest_framework, contract = self::Talk)]
#[use_micro_guards(Guard)]
impl Service {
    fn double(&self, payload: ::std::vec::Vec<u8>) -> ::std::option::Option<u16> {
        payload.first().map(|first| <u16 as ::std::convert::From<u8>>::from(*first) * 2)
    }

    async fn fallible(
        &self,
        #[ctx] _cx: &::nest_framework::ExecutionContext,
    ) -> ::std::result::Result<::std::string::String, ::nest_framework::TransportError> {
        ::std::result::Result::Err(::nest_framework::TransportError::new("no"))
    }

    async fn r#type(&self, _payload: u64) {}
}

/// Calls it.
///
/// # Errors
/// When nobody answers.
pub async fn talk(client: &TalkClient) -> ::std::result::Result<(), ::nest_framework::TransportError> {
    client.double(::std::convert::Into::into([1])).await?;
    client.fallible().await?;
    client.r#type(1).await
}

/// The root.
#[derive(::std::fmt::Debug)]
#[module(
    crate = nest_framework,
    providers = [Clock, Service, ::nest_framework::Provider::value(3_usize).named("WORKERS")],
    microservices = [Service],
)]
pub struct AppModule;

/// A pattern by its literal.
#[must_use]
pub fn workers() -> ::nest_framework::Pattern {
    pattern!(crate = nest_framework; { cmd: "workers" })
}

#[cfg(test)]
mod tests {
    use ::std::prelude::rust_2024::*;
    use ::std::{assert, assert_eq};

    #[test]
    fn it_boots() {
        let booting = ::nest_framework::boot(
            <super::AppModule as ::nest_framework::Module>::define(),
            ::std::default::Default::default(),
        );
        let mut booting = ::std::pin::pin!(booting);
        let mut task = ::std::task::Context::from_waker(::std::task::Waker::noop());
        let ::std::task::Poll::Ready(application) = ::std::future::Future::poll(booting.as_mut(), &mut task) else {
            ::std::panic!("nothing here has to be waited for");
        };
        let application = application.unwrap();
        assert_eq!(application.routes.len(), 7);
        assert!(application.routes.iter().any(|route| route.pattern == super::workers()));
    }
}
