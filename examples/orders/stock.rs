//! What there is to be sold: a module that others import, for what it exports.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use garde::Validate;
use nestrs::prelude::*;
use serde::Deserialize;

use super::auth::Roles;
use super::errors::OrderError;

/// What lies on one shelf.
#[derive(Clone, Copy)]
struct Shelf {
    left: u32,
    cents: u64,
}

#[injectable]
pub(crate) struct Stock {
    shelves: Shelves,
}

struct Shelves(Mutex<HashMap<String, Shelf>>);

impl Default for Shelves {
    fn default() -> Self {
        let shelf = |item: &str, left, cents| (item.to_owned(), Shelf { left, cents });
        Self(Mutex::new(HashMap::from([shelf("tea", 5, 450), shelf("teapot", 20, 6_000)])))
    }
}

impl Stock {
    /// Takes so many off the shelf; what one costs, in cents.
    pub(crate) fn take(&self, item: &str, quantity: u32) -> Result<u64, OrderError> {
        let mut shelves = self.shelves();
        let shelf = shelves.get_mut(item).ok_or_else(|| OrderError::NotSold { item: item.to_owned() })?;
        if shelf.left < quantity {
            return Err(OrderError::OutOfStock { item: item.to_owned(), left: shelf.left });
        }
        shelf.left -= quantity;
        Ok(shelf.cents)
    }

    /// Puts so many on the shelf, if there is one for it; how many are there now.
    pub(crate) fn put(&self, item: &str, quantity: u32) -> Option<u32> {
        let mut shelves = self.shelves();
        let shelf = shelves.get_mut(item)?;
        shelf.left = shelf.left.saturating_add(quantity);
        Some(shelf.left)
    }

    fn shelves(&self) -> MutexGuard<'_, HashMap<String, Shelf>> {
        self.shelves.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Deserialize, Validate)]
struct Delivery {
    #[garde(length(min = 1, max = 40))]
    item: String,
    #[garde(range(min = 1))]
    quantity: u32,
}

/// `@EventPattern('stock.delivered')`: nobody waits for an answer, so what goes wrong is logged.
#[micro_routes]
impl Stock {
    #[event_pattern("stock.delivered")]
    #[set_metadata(Roles(&["warehouse"]))]
    async fn delivered(&self, delivery: Valid<Delivery>) -> Result<(), OrderError> {
        let Delivery { item, quantity } = delivery.into_inner();
        let Some(left) = self.put(&item, quantity) else { return Err(OrderError::NotSold { item }) };
        tracing::info!(context = "Stock", item, left, "delivered");
        Ok(())
    }
}

#[module(providers = [Stock], microservices = [Stock], exports = [Stock])]
pub(crate) struct StockModule;
