#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate self as nestrs;

#[cfg(any(feature = "http", feature = "microservices"))]
mod app;
#[cfg(feature = "config")]
pub mod config;
#[cfg(any(feature = "http", feature = "microservices"))]
mod error;
#[cfg(any(feature = "http", feature = "microservices"))]
mod explain;
#[cfg(any(feature = "http", feature = "microservices"))]
mod factory;
#[cfg(any(feature = "http", feature = "microservices"))]
mod heartbeat;
#[cfg(feature = "http")]
mod http;
#[cfg(any(feature = "http", feature = "microservices"))]
mod lifecycle;
#[cfg(feature = "logger")]
mod logging;
#[cfg(any(feature = "http", feature = "microservices"))]
mod running;
#[cfg(any(feature = "http", feature = "microservices"))]
mod servers;
#[cfg(feature = "http")]
mod share;
#[cfg(any(feature = "http", feature = "microservices"))]
mod signals;
#[cfg(feature = "validation")]
mod validation;

pub mod prelude;

#[cfg(all(feature = "test-util", any(feature = "http", feature = "microservices")))]
pub mod testing;

#[doc(inline)]
pub use nestrs_core::{
    Application, ArgumentPipe, BeforeApplicationShutdown, BootError, BusEvent, CalledPattern, CanActivate, Caught,
    Chain, ChainEntry, ContextKind, Deadline, DefaultValuePipe, Dependency, DynamicModule, Enhancers, ErrorKind,
    ExceptionFilter, ExecutionContext, Extension, Extensions, FromContext, HandlerMetadata, HandlerResult, HookResult,
    Injectable, Interceptor, Lenient, Level, Metadata, MicroCanActivate, MicroIncomingInterceptor, MicroPipeTransform,
    Module, ModuleDef, OnApplicationBootstrap, OnApplicationShutdown, OnModuleDestroy, OnModuleInit, ParseArrayPipe,
    ParseBoolPipe, ParseDatePipe, ParseFloatPipe, ParseIntPipe, Pattern, Payload, PipeTransform, Problem, Provider,
    Reflector, Reply, ResolveError, Resolver, Scope, Sent, StageKind, TransportError, async_trait, boot, forbidden,
};

pub use nestrs_core::{
    AsyncOptions, ConfigurableModule, ContextId, DiscoveredHandler, DiscoveredProvider, DiscoveryService, ModuleRef,
    OptionsFactory, ProviderKind, ProviderMetadata, ProviderScope,
};
#[doc(inline)]
pub use nestrs_core::{ExtraKind, Extras, TransportId, Wildcard, WildcardStyle};

#[cfg(any(feature = "http", feature = "microservices"))]
pub use error::ListenError;
#[cfg(any(feature = "http", feature = "microservices"))]
pub use explain::Explained;
#[cfg(feature = "http")]
pub use factory::NestApplication;
#[cfg(any(feature = "http", feature = "microservices"))]
pub use factory::NestFactory;
#[cfg(feature = "microservices")]
pub use factory::NestMicroservice;
#[cfg(feature = "http")]
pub use http::{CorsOptions, Ctx, HttpAddress, HttpApp, status_of};
#[cfg(feature = "test-util")]
pub use logging::{LogCapture, LogEvent, LogSpan};
#[cfg(feature = "logger")]
pub use logging::{LogLevel, LogLevelError, Logger, LoggerError, LoggerGuard};
#[doc(inline)]
pub use nestrs_microservices::{
    Emitted, EventBus, EventBusModule, EventBusOptions, EventBusStats, EventOutcome, EventStream, FailureKind,
    NextEvent, Published, ReceivedEvent, SubscriberFailure, Subscription,
};
#[doc(inline)]
pub use nestrs_microservices::{ServerHandle, ServerStatus};
#[cfg(any(feature = "http", feature = "microservices"))]
pub use running::{Listening, RunningApp};
#[cfg(any(feature = "http", feature = "microservices"))]
pub use servers::Servers;
#[cfg(feature = "validation")]
pub use validation::{Valid, ValidationPipe};

/// axum, as controllers use it: extractors and responses come from here.
#[cfg(feature = "http")]
#[doc(no_inline)]
pub use axum;

/// garde, whose rules [`Valid`] checks. Its derive names `::garde`, so a type that derives `Validate` needs that
/// dependency of its own.
#[cfg(feature = "validation")]
#[doc(no_inline)]
pub use garde;

#[cfg(feature = "microservices")]
#[doc(inline)]
pub use nestrs_microservices as microservices;

mod macros;
pub use macros::*;

/// What macros expand to. Not for people: anything here may change in any release.
#[doc(hidden)]
pub mod __private {
    pub use nestrs_core::__private::*;

    /// What the client of a `#[contract]` expands to.
    #[cfg(feature = "microservices")]
    pub mod client {
        pub use nestrs_microservices::__private::*;
    }

    /// What `#[controller]` expands to.
    #[cfg(feature = "http")]
    pub mod http {
        pub use crate::http::{
            AxumError, AxumJsonKind, AxumKind, AxumResponse, CallError, CallErrorKind, EmptyResponse, ErrorOf,
            FallibleResponse, FallibleResponseKind, HttpRoutes, JsonAndStatus, JsonKind, JsonResponse, Method,
            MethodRouter, PlainResponse, PlainResponseKind, ROUTES, Request, Response, ResponseOf, ResponseOutcomeOf,
            RouteDef, RouteSet, ServiceSource, extract, extract_part, route, service,
        };
    }
}
