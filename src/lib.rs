#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate self as nestrs;

#[cfg(any(feature = "http", feature = "microservices"))]
mod app;
#[cfg(any(feature = "http", feature = "microservices"))]
mod error;
#[cfg(any(feature = "http", feature = "microservices"))]
mod factory;
#[cfg(feature = "http")]
mod http;
#[cfg(any(feature = "http", feature = "microservices"))]
mod lifecycle;
#[cfg(feature = "http")]
mod share;

pub mod prelude;

#[doc(inline)]
pub use nestrs_core::{
    Application, BeforeApplicationShutdown, BootError, BusEvent, CalledPattern, CanActivate, ContextKind, Deadline,
    Dependency, DynamicModule, ErrorKind, ExecutionContext, Extensions, FromContext, HandlerResult, HookResult,
    Injectable, Interceptor, Metadata, MicroCanActivate, MicroIncomingInterceptor, MicroPipeTransform, Module,
    ModuleDef, OnApplicationBootstrap, OnApplicationShutdown, OnModuleDestroy, OnModuleInit, Pattern, Payload,
    PipeTransform, Problem, Provider, Reply, ResolveError, Resolver, Scope, Sent, TransportError, async_trait, boot,
    forbidden,
};

#[cfg(any(feature = "http", feature = "microservices"))]
pub use app::{Listening, RunningApp};
#[cfg(any(feature = "http", feature = "microservices"))]
pub use error::ListenError;
#[cfg(feature = "http")]
pub use factory::NestApplication;
#[cfg(any(feature = "http", feature = "microservices"))]
pub use factory::NestFactory;
#[cfg(feature = "microservices")]
pub use factory::NestMicroservice;
#[cfg(feature = "http")]
pub use http::{CorsOptions, HttpAddress, HttpApp, status_of};
#[doc(inline)]
pub use nestrs_microservices::{
    Emitted, EventBus, EventBusModule, EventBusOptions, EventBusStats, EventOutcome, EventStream, FailureKind,
    NextEvent, Published, ReceivedEvent, SubscriberFailure, Subscription,
};

/// axum, as controllers use it: extractors and responses come from here.
#[cfg(feature = "http")]
#[doc(no_inline)]
pub use axum;

#[cfg(feature = "microservices")]
#[doc(inline)]
pub use nestrs_microservices as microservices;

mod macros;
pub use macros::*;

/// What macros expand to. Not for people: anything here may change in any release.
#[doc(hidden)]
pub mod __private {
    pub use nestrs_core::__private::*;

    /// What `#[controller]` expands to.
    #[cfg(feature = "http")]
    pub mod http {
        pub use crate::http::{
            AxumError, AxumKind, AxumResponse, CallError, CallErrorKind, EmptyResponse, ErrorOf, FallibleResponse,
            FallibleResponseKind, HttpRoutes, JsonKind, JsonResponse, Method, MethodRouter, PlainResponse,
            PlainResponseKind, ROUTES, Response, ResponseOf, ResponseOutcomeOf, RouteDef, RouteSet, request,
            request_part, route,
        };
    }
}
