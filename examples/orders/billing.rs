//! The service that takes the money. It knows the contract, and nothing of orders.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use nestrs::prelude::*;
use serde_json::json;

use super::contract::{Billing, Charge, Receipt};

/// No card is good for more.
const CENTS_MAX: u64 = 50_000;

#[injectable]
pub(crate) struct BillingService {
    /// By order.
    receipts: Mutex<HashMap<u64, Receipt>>,
}

/// The patterns and the types are the contract's: a handler that is missing, or of another type, does not compile.
#[micro_routes(contract = Billing)]
impl BillingService {
    async fn charge(&self, charge: Charge) -> Result<Receipt, TransportError> {
        if charge.cents > CENTS_MAX {
            // `throw new RpcException({ statusCode: 402, … })`: exactly this is what callers read, in any language.
            return Err(TransportError::exact(json!({
                "statusCode": 402,
                "code": "CARD_DECLINED",
                "message": "the card was declined",
            })));
        }
        let mut receipts = self.receipts.lock().unwrap_or_else(PoisonError::into_inner);
        let number = receipts.len() as u64 + 1;
        let receipt = receipts.entry(charge.order).or_insert(Receipt { number }).clone();
        tracing::info!(context = "Billing", charge.order, charge.cents, receipt.number, "charged");
        Ok(receipt)
    }
}

#[module(providers = [BillingService], microservices = [BillingService])]
pub(crate) struct BillingModule;
