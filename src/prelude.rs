//! What applications import: `use nestrs::prelude::*;`.

#[doc(no_inline)]
pub use crate::macros::*;
#[doc(no_inline)]
pub use crate::{AsyncOptions, ConfigurableModule, ContextId, ModuleRef, ProviderScope};
#[doc(no_inline)]
pub use crate::{
    BeforeApplicationShutdown, CanActivate, Caught, Deadline, DynamicModule, ErrorKind, EventBus, ExceptionFilter,
    ExecutionContext, FromContext, HandlerResult, HookResult, Interceptor, Metadata, MicroCanActivate,
    MicroIncomingInterceptor, MicroPipeTransform, OnApplicationBootstrap, OnApplicationShutdown, OnModuleDestroy,
    OnModuleInit, Pattern, Payload, PipeTransform, Provider, Reflector, Reply, TransportError, async_trait, forbidden,
};
#[cfg(feature = "http")]
#[doc(no_inline)]
pub use crate::{CorsOptions, Ctx, HttpApp};
#[cfg(any(feature = "http", feature = "microservices"))]
#[doc(no_inline)]
pub use crate::{ListenError, NestFactory};
#[cfg(feature = "microservices")]
#[doc(no_inline)]
pub use nestrs_microservices::{Cancellation, ClientProxy, ClientsModule, ClientsService, ContractClient, Peer};
