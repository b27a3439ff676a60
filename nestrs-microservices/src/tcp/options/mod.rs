//! What can be set on either end of a TCP transport.

/// One setter per field.
macro_rules! setters {
    ($($(#[$doc:meta])* $field:ident: $type:ty),* $(,)?) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $field(mut self, $field: $type) -> Self {
            self.$field = $field;
            self
        }
    )*};
}

mod address;
mod client;
mod server;

pub use address::default_host;
pub use client::TcpTransportOptions;
pub use server::{Overflow, TcpMicroserviceOptions};
