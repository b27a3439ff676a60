//! Packets in a shape of the user's own (NestJS fact sheet, section 18).

use nestrs_core::TransportError;
use serde_json::Value;

/// Turns an outgoing packet into what is written to the wire; NestJS's `Serializer`.
///
/// On a server it sees responses (`response`, `err`, `isDisposed`, `id`), on a client requests and events (`pattern`,
/// `data`, `metadata`, `id`). The result is framed like any packet, so the other side needs the matching
/// [`PacketDeserializer`]. Without one, packets are written straight into the socket's buffer.
///
/// ```
/// use nestrs_core::TransportError;
/// use nestrs_microservices::PacketSerializer;
/// use serde_json::{Value, json};
///
/// struct Versioned;
///
/// impl PacketSerializer for Versioned {
///     fn serialize(&self, packet: Value) -> Result<Value, TransportError> {
///         Ok(json!({ "v": 1, "packet": packet }))
///     }
/// }
/// ```
pub trait PacketSerializer: Send + Sync + 'static {
    /// Converts one packet.
    ///
    /// # Errors
    /// On a client the call fails with it. On a server it is logged and the caller reads "Internal server error".
    fn serialize(&self, packet: Value) -> Result<Value, TransportError>;
}

/// Turns what came off the wire into a packet; NestJS's `Deserializer`. The counterpart of [`PacketSerializer`].
pub trait PacketDeserializer: Send + Sync + 'static {
    /// Converts one packet.
    ///
    /// # Errors
    /// The packet is logged and dropped; the connection stays open.
    fn deserialize(&self, wire: Value) -> Result<Value, TransportError>;
}
