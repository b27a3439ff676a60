//! The heart of nestrs: dependency injection, modules, the pipeline around a call, and the tables that macros fill.
//!
//! Applications use the `nestrs` crate, which re-exports all of this. Nothing here opens a socket, needs a runtime or
//! knows a transport. In reading order, one message meets:
//!
//! - [`Pattern`], the name it is sent to, and [`Payload`], what it carries;
//! - [`ExecutionContext`], the view of the call that every stage gets;
//! - [`CanActivate`], [`Interceptor`] and [`PipeTransform`], the stages, run in order by [`Stages::enter`];
//! - [`Endpoint`], the handler behind them, and [`Reply`] or [`TransportError`], its answer.
//!
//! At boot, [`Module`]s are collected into a graph, every [`Provider`] is checked and built into a [`Container`], and
//! each [`HandlerDef`] becomes a [`Route`] ([`boot`]).

mod boot;
mod bus_event;
mod container;
mod context;
mod error;
mod handler;
mod injectable;
mod lifecycle;
mod module;
mod pattern;
mod payload;
mod pipeline;
mod provider;
mod registry;
mod reply;

pub use async_trait::async_trait;

pub use boot::{Application, BootError, BootOptions, Controller, Problem, boot};
pub use bus_event::{BusEvent, event_name_problem, subscription_problem};
pub use container::{Container, Scope};
pub use context::{CalledPattern, ContextKind, Deadline, ExecutionContext, Extensions, FromContext, Metadata};
pub use error::{ErrorKind, INTERNAL_SERVER_ERROR, Sent, TransportError};
pub use handler::{Endpoint, HandlerDef, HandlerKind, HandlerSet, MicroRoutes, Mounting, Route, Thunk, mount};
pub use injectable::{DefaultField, Dependency, Injectable, Key, ResolveError, Resolver};
pub use lifecycle::{
    BeforeApplicationShutdown, Hook, HookResult, Hooks, Lifecycle, OnApplicationBootstrap, OnApplicationShutdown,
    OnModuleDestroy, OnModuleInit, Phase,
};
pub use module::{DynamicModule, Module, ModuleDef};
pub use pattern::{Pattern, PatternError, PatternLiteral};
pub use payload::Payload;
pub use pipeline::guard::forbidden;
pub use pipeline::{
    CanActivate, Interceptor, MicroCanActivate, MicroIncomingInterceptor, MicroPipeTransform, PipeTransform, Stages,
};
pub use provider::{Factory, FactoryError, Injected, Provider};
pub use reply::{BoxFuture, Emitter, HandlerError, HandlerReply, HandlerResult, Reply, ReplyStream, generate};

/// What macros expand to. Not for people: anything here may change in any release.
#[doc(hidden)]
pub mod __private {
    pub use crate::bus_event::{event_name, topic};
    pub use crate::lifecycle::{
        HasApplicationBootstrap, HasApplicationShutdown, HasBeforeShutdown, HasModuleDestroy, HasModuleInit, HooksOf,
        NoApplicationBootstrap, NoApplicationShutdown, NoBeforeShutdown, NoModuleDestroy, NoModuleInit,
    };
    pub use crate::pipeline::list::{GuardList, InterceptorList, PipeList};
    pub use crate::pipeline::spec::{
        DefaultGuard, DefaultInterceptor, DefaultPipe, DocumentedGuard, DocumentedInterceptor, DocumentedPipe,
        InjectableGuard, InjectableInterceptor, InjectablePipe, NoGuard, NoInterceptor, NoPipe, Specs, Stage,
        StageNeed, StageSpec,
    };
    pub use crate::pipeline::{guard::MicroGuard, interceptor::MicroInterceptor, pipe::MicroPipe};
    pub use crate::registry::HANDLERS;
    pub use crate::reply::{
        EmptyKind, EmptyReply, FallibleKind, FallibleOutcome, OutcomeOf, PlainKind, PlainOutcome, ReplyOf, StreamKind,
        StreamReply, TryStreamKind, TryStreamReply, ValueKind, ValueReply,
    };
    pub use crate::*;
    pub use linkme;

    use serde::de::DeserializeOwned;

    /// A type that a payload is decoded into.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` cannot be read from a payload",
        label = "not `Deserialize`, or borrowing what it is read from",
        note = "derive `serde::Deserialize` for it; if it comes from the context instead, mark the argument `#[ctx]`"
    )]
    pub trait HandlerPayload: Sized {
        /// Decodes it.
        ///
        /// # Errors
        /// When the payload does not fit.
        fn from_payload(payload: &Payload) -> Result<Self, TransportError>;
    }

    #[diagnostic::do_not_recommend]
    impl<T: DeserializeOwned + 'static> HandlerPayload for T {
        fn from_payload(payload: &Payload) -> Result<Self, TransportError> {
            payload.receive()
        }
    }

    /// Decodes a handler's payload argument.
    ///
    /// # Errors
    /// When the payload does not fit.
    pub fn decode<T: HandlerPayload>(payload: &Payload) -> Result<T, TransportError> {
        T::from_payload(payload)
    }

    /// Receives a handler's payload argument that is an `Arc<T>`.
    ///
    /// # Errors
    /// When the payload does not fit.
    pub fn decode_shared<T: HandlerPayload + DeserializeOwned + 'static>(
        payload: &Payload,
    ) -> Result<std::sync::Arc<T>, TransportError> {
        payload.receive_shared()
    }

    /// Converts a handler's error.
    pub fn error<E: HandlerError>(error: E) -> TransportError {
        error.into_transport_error()
    }

    /// The pattern of a literal that `pattern!` has checked.
    ///
    /// # Panics
    /// Never for a literal that the macro accepted.
    #[must_use]
    pub fn literal_pattern(literal: &PatternLiteral) -> Pattern {
        match Pattern::from_literal(literal) {
            Ok(pattern) => pattern,
            Err(error) => unreachable!("`pattern!` accepted a literal that is no pattern: {error}"),
        }
    }

    /// The value of a field that is not injected.
    #[must_use]
    pub fn defaulted<T: DefaultField>() -> T {
        T::default_field()
    }
}
