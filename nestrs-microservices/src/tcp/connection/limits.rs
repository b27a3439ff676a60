//! What the connections of one server share.

use std::sync::Arc;

use crate::dispatcher::Dispatcher;
use crate::tcp::options::TcpMicroserviceOptions;

use super::in_flight::InFlight;
use super::recv_budget::RecvBudget;
use super::send_budget::SendBudget;
use super::tally::Tally;

/// What the connections of one server share.
pub(in crate::tcp) struct Limits {
    pub(in crate::tcp) options: TcpMicroserviceOptions,
    pub(super) dispatcher: Dispatcher,
    /// Calls that did not finish at once, on whatever connection, and on those that are gone.
    pub(in crate::tcp) in_flight: Arc<InFlight>,
    pub(in crate::tcp) recv_budget: RecvBudget,
    pub(in crate::tcp) send_budget: Arc<SendBudget>,
    pub(in crate::tcp) tally: Tally,
}

impl Limits {
    pub(in crate::tcp) fn new(options: TcpMicroserviceOptions, dispatcher: Dispatcher) -> Self {
        Self {
            in_flight: Arc::new(InFlight::new(options.max_in_flight)),
            recv_budget: RecvBudget::new(options.recv_budget_bytes),
            send_budget: Arc::new(SendBudget::new(options.send_budget_bytes)),
            tally: Tally::default(),
            options,
            dispatcher,
        }
    }
}
