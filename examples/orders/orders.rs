//! Orders: the service that places them, and the controller that others reach it by.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use garde::Validate;
use nestrs::axum::extract::Path;
use nestrs::microservices::{ClientConfig, TcpTransportOptions};
use nestrs::prelude::*;
use serde::{Deserialize, Serialize};

use super::auth::Roles;
use super::contract::{BillingClient, Charge, billing_port};
use super::errors::{OrderError, OrderErrorFilter};
use super::notifications::OrderPlaced;
use super::stock::{Stock, StockModule};
use super::timing::InData;

/// The DTO, with its rules: NestJS's `class CreateOrderDto` and `class-validator`.
#[derive(Deserialize, Validate)]
pub(crate) struct CreateOrder {
    #[garde(length(min = 1, max = 40))]
    item: String,
    #[garde(range(min = 1, max = 10))]
    quantity: u32,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Order {
    id: u64,
    item: String,
    quantity: u32,
    cents: u64,
    receipt: u64,
}

#[injectable]
pub(crate) struct OrdersService {
    stock: Arc<Stock>,
    billing: Arc<BillingClient>,
    bus: Arc<EventBus>,
    last_id: AtomicU64,
    orders: Mutex<HashMap<u64, Order>>,
}

impl OrdersService {
    async fn place(&self, CreateOrder { item, quantity }: CreateOrder) -> Result<Order, OrderError> {
        let cents = self.stock.take(&item, quantity)? * u64::from(quantity);
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let receipt = match self.billing.charge(Charge { order: id, cents }).await {
            Ok(receipt) => receipt.number,
            Err(error) => {
                self.stock.put(&item, quantity);
                return Err(error.into());
            }
        };
        let order = Order { id, item, quantity, cents, receipt };
        self.orders().insert(id, order.clone());
        // Nobody here waits for those who listen.
        self.bus.emit_event(&OrderPlaced { id, cents });
        Ok(order)
    }

    fn find(&self, id: u64) -> Result<Order, OrderError> {
        self.orders().get(&id).cloned().ok_or(OrderError::NoSuchOrder(id))
    }

    fn orders(&self) -> MutexGuard<'_, HashMap<u64, Order>> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One controller for both worlds, as in NestJS.
#[injectable]
pub(crate) struct OrdersController {
    orders: Arc<OrdersService>,
}

/// `@Controller('orders')`, `@UseInterceptors(InData)`
#[controller("/orders")]
#[use_interceptors(InData)]
impl OrdersController {
    /// `@Post() @Roles('customer') create(@Body() order: CreateOrderDto)`
    #[post]
    #[set_metadata(Roles(&["customer"]))]
    async fn create(&self, order: Valid<CreateOrder>) -> Result<Order, OrderError> {
        self.orders.place(order.into_inner()).await
    }

    /// `@Get(':id') find(@Param('id', ParseIntPipe) id: number)`
    #[get("/{id}")]
    async fn find(&self, Path(id): Path<u64>) -> Result<Order, OrderError> {
        self.orders.find(id)
    }
}

#[micro_routes]
impl OrdersController {
    /// `@MessagePattern('orders.place') @Roles('customer') place(@Payload() order: CreateOrderDto)`
    #[message_pattern("orders.place")]
    #[set_metadata(Roles(&["customer", "shop"]))]
    async fn place(&self, order: Valid<CreateOrder>) -> Result<Order, OrderError> {
        self.orders.place(order.into_inner()).await
    }

    /// `@MessagePattern({ cmd: 'orders.find' }) find(@Payload('id') id: number)`
    #[message_pattern({ cmd: "orders.find" })]
    async fn find_by_id(&self, #[payload("id")] id: u64) -> Result<Order, OrderError> {
        self.orders.find(id)
    }
}

#[module(
    imports = [
        StockModule,
        ClientsModule::register(&[ClientConfig::tcp("BILLING", TcpTransportOptions::default().port(billing_port()))]),
    ],
    providers = [OrdersService, BillingClient],
    controllers = [OrdersController],
    filters = [OrderErrorFilter],
)]
pub(crate) struct OrdersModule;
