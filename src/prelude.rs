//! What applications import: `use nestrs::prelude::*;`.

#[doc(no_inline)]
pub use crate::macros::*;
#[doc(no_inline)]
pub use crate::{
    BeforeApplicationShutdown, BusEvent, CanActivate, Deadline, DynamicModule, ErrorKind, EventBus, EventBusModule,
    EventBusOptions, ExecutionContext, FromContext, HookResult, Interceptor, Metadata, MicroCanActivate,
    MicroIncomingInterceptor, MicroPipeTransform, OnApplicationBootstrap, OnApplicationShutdown, OnModuleDestroy,
    OnModuleInit, Pattern, Payload, PipeTransform, Provider, TransportError, async_trait, forbidden,
};
#[cfg(feature = "http")]
#[doc(no_inline)]
pub use crate::{CorsOptions, HttpApp};
#[cfg(any(feature = "http", feature = "microservices"))]
#[doc(no_inline)]
pub use crate::{ListenError, NestFactory};
#[cfg(feature = "microservices")]
#[doc(no_inline)]
pub use nestrs_microservices::{Cancellation, ClientProxy, ClientsModule, ClientsService, Peer};
