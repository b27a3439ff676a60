//! What applications import: `use nestrs::prelude::*;`.

#[doc(no_inline)]
pub use crate::macros::*;
#[doc(no_inline)]
pub use crate::{
    CanActivate, Deadline, DynamicModule, ErrorKind, EventBus, ExecutionContext, FromContext, Interceptor, ListenError,
    Metadata, MicroCanActivate, MicroIncomingInterceptor, MicroPipeTransform, NestFactory, Pattern, Payload,
    PipeTransform, Provider, TransportError, async_trait, forbidden,
};
#[cfg(feature = "http")]
#[doc(no_inline)]
pub use crate::{CorsOptions, HttpApp};
#[cfg(feature = "microservices")]
#[doc(no_inline)]
pub use nestrs_microservices::{Cancellation, ClientProxy, ClientsModule, ClientsService, Peer};
