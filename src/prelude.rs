//! What applications import: `use nestrs::prelude::*;`.

#[cfg(feature = "http")]
#[doc(no_inline)]
pub use crate::NestApplication;
#[cfg(feature = "microservices")]
#[doc(no_inline)]
pub use crate::NestMicroservice;
#[doc(no_inline)]
pub use crate::macros::*;
#[doc(no_inline)]
pub use crate::{
    ArgumentPipe, BeforeApplicationShutdown, BusEvent, CanActivate, Caught, Deadline, DefaultValuePipe, DynamicModule,
    ErrorKind, EventBus, EventBusModule, EventBusOptions, ExceptionFilter, ExecutionContext, Extension, FromContext,
    HandlerResult, HookResult, Interceptor, Lenient, Metadata, MicroCanActivate, MicroIncomingInterceptor,
    MicroPipeTransform, OnApplicationBootstrap, OnApplicationShutdown, OnModuleDestroy, OnModuleInit, ParseArrayPipe,
    ParseBoolPipe, ParseDatePipe, ParseFloatPipe, ParseIntPipe, Pattern, Payload, PipeTransform, Provider, Reflector,
    Reply, TransportError, async_trait, forbidden,
};
#[doc(no_inline)]
pub use crate::{AsyncOptions, ConfigurableModule, ContextId, ModuleRef, ProviderScope};
#[cfg(feature = "http")]
#[doc(no_inline)]
pub use crate::{CorsOptions, Ctx, HttpApp};
#[cfg(any(feature = "http", feature = "microservices"))]
#[doc(no_inline)]
pub use crate::{ListenError, NestFactory, Servers};
#[cfg(feature = "logger")]
#[doc(no_inline)]
pub use crate::{LogLevel, Logger};
#[cfg(feature = "validation")]
#[doc(no_inline)]
pub use crate::{Valid, ValidationPipe};
#[cfg(feature = "microservices")]
#[doc(no_inline)]
pub use nestrs_microservices::{Cancellation, ClientProxy, ClientsModule, ClientsService, ContractClient, Peer};
