//! What applications import: `use nestrs::prelude::*;`.

#[doc(no_inline)]
pub use crate::macros::*;
#[doc(no_inline)]
pub use crate::{
    ArgumentPipe, BeforeApplicationShutdown, CanActivate, Deadline, DefaultValuePipe, DynamicModule, ErrorKind,
    EventBus, ExecutionContext, Extension, FromContext, HookResult, Interceptor, Lenient, Metadata, MicroCanActivate,
    MicroIncomingInterceptor, MicroPipeTransform, OnApplicationBootstrap, OnApplicationShutdown, OnModuleDestroy,
    OnModuleInit, ParseArrayPipe, ParseBoolPipe, ParseDatePipe, ParseFloatPipe, ParseIntPipe, Pattern, Payload,
    PipeTransform, Provider, TransportError, async_trait, forbidden,
};
#[cfg(feature = "http")]
#[doc(no_inline)]
pub use crate::{CorsOptions, HttpApp};
#[cfg(any(feature = "http", feature = "microservices"))]
#[doc(no_inline)]
pub use crate::{ListenError, NestFactory};
#[cfg(feature = "validation")]
#[doc(no_inline)]
pub use crate::{Valid, ValidationPipe};
#[cfg(feature = "microservices")]
#[doc(no_inline)]
pub use nestrs_microservices::{Cancellation, ClientProxy, ClientsModule, ClientsService, Peer};
