//! A payload with headers: NestJS's `NatsRecordBuilder`.

use nestrs_core::{Pattern, TransportError};
use serde::{Deserialize, Serialize};

use crate::client::ClientProxy;

use super::headers::NatsHeaders;

/// Makes a payload with headers; NestJS's `NatsRecordBuilder`.
///
/// ```
/// use nestrs_core::TransportError;
/// use nestrs_microservices::{ClientProxy, NatsRecordBuilder};
///
/// async fn greet(client: &ClientProxy) -> Result<String, TransportError> {
///     let record = NatsRecordBuilder::new("Ada").header("x-version", "1.0.0").build();
///     record.send(client, "greet").await
/// }
/// ```
#[derive(Clone, Debug)]
pub struct NatsRecordBuilder<T> {
    data: T,
    headers: NatsHeaders,
}

impl<T> NatsRecordBuilder<T> {
    /// A payload without headers.
    pub fn new(data: T) -> Self {
        Self { data, headers: NatsHeaders::default() }
    }

    /// Sets the headers, in place of those there are.
    #[must_use]
    pub fn set_headers<N: Into<String>, V: Into<String>>(mut self, headers: impl IntoIterator<Item = (N, V)>) -> Self {
        self.headers = headers.into_iter().collect();
        self
    }

    /// Adds one header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let added = [(name.into(), value.into())];
        let all = self.headers.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).chain(added);
        self.headers = all.collect();
        self
    }

    /// The payload with its headers.
    #[must_use]
    pub fn build(self) -> NatsRecord<T> {
        NatsRecord { data: self.data, headers: self.headers }
    }
}

/// A payload with headers, to be sent. Of several values of one name the last is sent; on other transports than NATS they
/// are the metadata of the packet.
#[derive(Clone, Debug)]
pub struct NatsRecord<T> {
    /// The payload.
    pub data: T,
    /// What goes beside it.
    pub headers: NatsHeaders,
}

impl<T: Serialize + Send + Sync> NatsRecord<T> {
    /// [`ClientProxy::send`] with these headers.
    ///
    /// # Errors
    /// As `ClientProxy::send`; a header that NATS cannot hold is one that nothing was sent of.
    pub async fn send<TRes>(
        &self,
        client: &ClientProxy,
        pattern: impl Into<Pattern> + Send,
    ) -> Result<TRes, TransportError>
    where
        TRes: for<'de> Deserialize<'de> + Send,
    {
        self.around(client).send(pattern, &self.data).await
    }

    /// [`ClientProxy::emit`] with these headers.
    ///
    /// # Errors
    /// As [`NatsRecord::send`].
    pub async fn emit(&self, client: &ClientProxy, pattern: impl Into<Pattern> + Send) -> Result<(), TransportError> {
        self.around(client).emit(pattern, &self.data).await
    }

    fn around(&self, client: &ClientProxy) -> ClientProxy {
        self.headers.iter().fold(client.clone(), |client, (name, value)| client.with_metadata(name, value))
    }
}
