//! What billing is asked: written once, for the service that answers and for those that ask. Where these are separate
//! programs, this is a crate that both depend on.

use nestrs::prelude::*;
use serde::{Deserialize, Serialize};

/// Money to be taken for an order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Charge {
    pub(crate) order: u64,
    pub(crate) cents: u64,
}

/// Money that was taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Receipt {
    pub(crate) number: u64,
}

/// `BillingClient` is generated from this; it calls over the client that is registered as `BILLING`.
#[contract(client = "BILLING")]
pub(crate) trait Billing {
    /// Takes the money of an order, once, however often it is asked. A NestJS peer sends `billing.charge`.
    #[message_pattern("billing.charge")]
    async fn charge(&self, charge: Charge) -> Result<Receipt, TransportError>;
}

/// Where billing listens.
pub(crate) fn billing_port() -> u16 {
    super::port("BILLING_PORT", 3001)
}
