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

mod argument;
mod boot;
mod bus_event;
mod configurable;
mod container;
mod context;
mod contract;
mod discovery;
mod error;
mod extras;
mod handler;
mod injectable;
#[doc(hidden)]
pub mod json_text;
mod lifecycle;
#[doc(hidden)]
pub mod log_limit;
mod metadata;
mod module;
mod module_ref;
mod mount;
mod packet_metadata;
mod pattern;
mod payload;
mod per_call;
mod pipeline;
mod provider;
mod provider_scope;
mod registry;
mod reply;
mod resolver;
mod sorted;
#[doc(hidden)]
pub mod spans;
mod transport_id;

pub use async_trait::async_trait;

pub use argument::lenient::Lenient;
pub use argument::parse::{
    DefaultValuePipe, ParseArrayPipe, ParseBoolPipe, ParseDatePipe, ParseFloatPipe, ParseIntPipe,
};
pub use argument::pipe::ArgumentPipe;
pub use boot::{Application, BootError, BootOptions, Controller, HttpEnhancers, Overrides, Problem, boot};
pub use bus_event::{BusEvent, event_name_problem, subscription_problem};
pub use configurable::{AsyncOptions, ConfigurableModule, OptionsFactory};
pub use container::{Container, Scope};
pub use context::{CalledPattern, ContextKind, Deadline, ExecutionContext, Extension, Extensions, FromContext};
pub use discovery::{DiscoveredHandler, DiscoveredProvider, DiscoveryService, ProviderMetadata};
pub use error::{ErrorKind, INTERNAL_SERVER_ERROR, Sent, TransportError};
pub use extras::{ExtraKind, Extras};
pub use handler::{Ending, HandlerDef, HandlerKind, HandlerLimits, HandlerSet, MicroRoutes, Route};
pub use injectable::{DefaultField, Dependency, Injectable, Key};
pub use lifecycle::{
    BeforeApplicationShutdown, Hook, HookList, HookOf, HookResult, Lifecycle, OnApplicationBootstrap,
    OnApplicationShutdown, OnModuleDestroy, OnModuleInit, Phase,
};
pub use metadata::{HandlerMetadata, Reflector};
pub use module::{DynamicModule, Module, ModuleDef};
pub use module_ref::ModuleRef;
pub use mount::{Endpoint, Mounting, Thunk, mount};
pub use packet_metadata::Metadata;
pub use pattern::{Pattern, PatternError, PatternLiteral, Wildcard, WildcardStyle};
pub use payload::Payload;
pub use pipeline::erased::{Documented, IntoGuard, IntoInterceptor, IntoPipe, Neutral};
pub use pipeline::guard::forbidden;
pub use pipeline::spec::EnhancerSpecs;
pub use pipeline::{
    Answer, CanActivate, Caught, Chain, ChainEntry, Enhancers, ExceptionFilter, Filters, Interceptor, Level,
    MicroCanActivate, MicroIncomingInterceptor, MicroPipeTransform, PipeTransform, StageKind, Stages, ValueMap,
};
pub use provider::{Factory, FactoryError, Injected, Provider, ProviderKind};
pub use provider_scope::{ContextId, ProviderScope};
pub use reply::{BoxFuture, Emitter, HandlerError, HandlerReply, HandlerResult, Reply, ReplyStream, generate};
pub use resolver::{ResolveError, Resolver};
pub use transport_id::TransportId;

/// What macros expand to. Not for people: anything here may change in any release.
#[doc(hidden)]
pub mod __private {
    pub use crate::argument::bound::{ArgumentNeeds, ArgumentSpec, ArgumentSpecs, Bound, Inject};
    pub use crate::argument::lenient::{Float, FromLenient, Integer};
    pub use crate::argument::pipe::{DefaultArgumentPipe, DefaultPipeType, InjectableArgumentPipe, piped};
    pub use crate::argument::read::{
        HandlerPayload, HeaderInput, ParsedHeader, PayloadPart, decode, decode_shared, header, header_input,
        header_optional, property,
    };
    pub use crate::bus_event::{event_name, topic};
    pub use crate::contract::{ContractBlock, ContractMethod, IsResult, NoResult, Streamed, unserved};
    pub use crate::error::Misfit;
    pub use crate::lifecycle::{
        HasApplicationBootstrap, HasApplicationShutdown, HasBeforeShutdown, HasModuleDestroy, HasModuleInit, HooksOf,
        NoApplicationBootstrap, NoApplicationShutdown, NoBeforeShutdown, NoModuleDestroy, NoModuleInit,
    };
    pub use crate::mount::mount_with;
    pub use crate::pattern::LiteralPattern;
    pub use crate::pipeline::list::{GuardList, InterceptorList, PipeList};
    pub use crate::pipeline::spec::{
        DefaultFilter, DefaultGuard, DefaultInterceptor, DefaultPipe, DocumentedGuard, DocumentedInterceptor,
        DocumentedPipe, FilterList, InjectableFilter, InjectableGuard, InjectableInterceptor, InjectablePipe, NoFilter,
        NoGuard, NoInterceptor, NoPipe, Specs, Stage, StageNeed, StageSpec,
    };
    pub use crate::pipeline::{guard::MicroGuard, interceptor::MicroInterceptor, pipe::MicroPipe};
    pub use crate::registry::HANDLERS;
    pub use crate::reply::{
        EmptyKind, EmptyReply, FallibleKind, FallibleOutcome, OutcomeOf, PlainKind, PlainOutcome, ReplyOf, StreamKind,
        StreamReply, TryStreamKind, TryStreamReply, ValueKind, ValueReply,
    };
    pub use crate::*;
    pub use linkme;
    pub use serde_json::json;

    /// Converts a handler's error.
    pub fn error<E: HandlerError>(error: E) -> TransportError {
        error.into_transport_error()
    }

    /// The value of a field that is not injected.
    #[must_use]
    pub fn defaulted<T: DefaultField>() -> T {
        T::default_field()
    }
}
