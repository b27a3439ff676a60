//! What applications import: `use nestrs::prelude::*;`.

#[doc(no_inline)]
pub use crate::macros::*;
#[doc(no_inline)]
pub use crate::{
    CanActivate, Deadline, DynamicModule, ErrorKind, EventBus, ExecutionContext, FromContext, Interceptor, Metadata,
    MicroCanActivate, MicroIncomingInterceptor, MicroPipeTransform, Pattern, Payload, PipeTransform, Provider,
    TransportError, async_trait, forbidden,
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
