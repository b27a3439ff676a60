//! Expansions compile where nothing has its usual name and every lint is an error.
#![no_implicit_prelude]
#![deny(warnings, missing_docs, clippy::all, clippy::pedantic, unused_qualifications, unreachable_pub)]
#![deny(
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::use_self,
    let_underscore_drop,
    elided_lifetimes_in_paths
)]
#![expect(clippy::unused_async, clippy::unused_self, reason = "what a handler looks like is not a matter of its body")]
#![expect(dead_code, reason = "what shadows a name is there to be ignored")]

// The helper attributes need no import: the block attributes read and remove them.
use ::nestrs_macros::{event, event_routes, injectable, micro_routes, module, pattern, use_micro_guards};
use ::std::prelude::v1::{Clone, Default, Send, derive, test};

// Names that generated code might trip over.
struct Result;
struct Option;
struct Box;
struct Vec;
struct String;
struct Arc;
struct Ok;
struct Err;
struct Some;
struct None;
struct Block;
struct HandlerDef;
struct Value;
mod nest {}
mod linkme {}
mod std {}
mod core {}
mod nestrs {}

#[derive(Clone, Copy, Default)]
struct Guard;

impl ::nestrs::CanActivate for Guard {
    async fn can_activate(
        &self,
        _: &::nestrs::ExecutionContext,
    ) -> ::core::result::Result<(), ::nestrs::TransportError> {
        ::core::result::Result::Ok(())
    }
}

#[derive(Default)]
struct Around;

impl ::nestrs::Interceptor for Around {
    async fn intercept<T: Send>(
        &self,
        _: &::nestrs::ExecutionContext,
        next: impl ::core::future::Future<Output = ::core::result::Result<T, ::nestrs::TransportError>> + Send,
    ) -> ::core::result::Result<T, ::nestrs::TransportError> {
        next.await
    }
}

#[derive(Default)]
struct Same;

impl ::nestrs::PipeTransform for Same {
    async fn transform(
        &self,
        _: &::nestrs::ExecutionContext,
        payload: ::nestrs::Payload,
    ) -> ::core::result::Result<::nestrs::Payload, ::nestrs::TransportError> {
        ::core::result::Result::Ok(payload)
    }
}

#[injectable]
struct Service {
    other: ::std::sync::Arc<Other>,
    maybe: ::core::option::Option<::std::sync::Arc<Other>>,
    #[inject("SIZE")]
    size: u32,
    #[inject("SIZE")]
    shared: ::core::option::Option<::std::sync::Arc<u32>>,
    count: u64,
    #[inject(value = u8::MAX)]
    limit: u8,
}

#[deprecated]
#[injectable]
struct Old {
    #[deprecated]
    age: u64,
}

#[injectable]
struct Other(#[inject(default)] ::std::sync::Mutex<u8>);

/// Stands where a local variable of generated code would be looked up first.
const SET: &str = "set";

#[micro_routes]
#[use_micro_guards(Guard)]
impl Service {
    #[message_pattern([SET, { cmd: "hygiene", v: -1 }])]
    #[use_micro_interceptors(Around)]
    #[use_micro_pipes(Same)]
    async fn message(
        &self,
        payload: u64,
        cx: &::nestrs::ExecutionContext,
    ) -> ::core::result::Result<u64, ::nestrs::TransportError> {
        ::core::result::Result::Ok(payload + self.count + cx.pattern().len() as u64)
    }

    #[deprecated]
    #[event_pattern("unit")]
    fn unit(&self) {}

    #[event_pattern("unit.async")]
    async fn unit_async(&self, (): ()) {}

    #[message_pattern("stream")]
    fn stream(&self) -> impl ::futures_util::Stream<Item = u64> {
        ::futures_util::stream::iter([self.count])
    }
}

#[event("finished")]
#[derive(Clone, ::serde::Serialize, ::serde::Deserialize)]
struct Finished;

#[use_micro_guards(Guard)]
#[event_routes]
impl Other {
    #[on_event]
    async fn by_type(&self, _: Finished) {}

    #[on_event]
    async fn by_pointer(&self, _: ::std::sync::Arc<Finished>) {}

    #[on_event("bus")]
    async fn bus(&self, payload: ::nestrs::Payload) -> bool {
        payload.is_absent()
    }
}

#[module(
    providers = [Service, Other, ::nestrs::Provider::value(8_u32).named("SIZE")],
    microservices = [Service],
    exports = [Other, "SIZE"],
    global,
)]
struct AppModule;

#[test]
fn expansions_work_among_shadows() {
    let booted = ::nestrs::boot(<AppModule as ::nestrs::Module>::define(), ::nestrs::BootOptions::default());
    let app = ::futures_util::FutureExt::now_or_never(booted).unwrap().unwrap();
    ::std::assert_eq!(app.routes.len(), 8);
    let pattern = pattern!({ v: -1, cmd: "hygiene" });
    ::std::assert!(::core::iter::Iterator::any(&mut app.routes.iter(), |route| route.pattern == pattern));
}
