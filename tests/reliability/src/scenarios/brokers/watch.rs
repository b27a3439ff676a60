//! When either end says that the broker is lost.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use futures_util::StreamExt;
use nestrs::microservices::{ClientProxy, ClientStatus, ServerHandle, ServerStatus};
use tokio::task::AbortHandle;

type First = Arc<Mutex<Option<Instant>>>;

/// Listens to both.
#[derive(Debug)]
pub(super) struct Statuses {
    client: First,
    server: First,
    listening: [AbortHandle; 2],
}

fn note(first: &First) {
    first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Instant::now);
}

impl Statuses {
    pub(super) fn of(client: &ClientProxy, server: &ServerHandle) -> Self {
        let (lost_client, lost_server) = (First::default(), First::default());
        let (mut clients, first) = (client.status(), Arc::clone(&lost_client));
        let of_client = tokio::spawn(async move {
            while let Some(status) = clients.next().await {
                if matches!(status, ClientStatus::Disconnected(_) | ClientStatus::Connecting) {
                    note(&first);
                }
            }
        });
        let (mut servers, first) = (server.status(), Arc::clone(&lost_server));
        let of_server = tokio::spawn(async move {
            while let Some(status) = servers.next().await {
                if status == ServerStatus::Reconnecting {
                    note(&first);
                }
            }
        });
        let listening = [of_client.abort_handle(), of_server.abort_handle()];
        Self { client: lost_client, server: lost_server, listening }
    }

    /// Begins anew.
    pub(super) fn forget(&self) {
        for first in [&self.client, &self.server] {
            *first.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    /// When the client first said so.
    pub(super) fn client_lost(&self) -> Option<Instant> {
        *self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the service first said so.
    pub(super) fn server_lost(&self) -> Option<Instant> {
        *self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Statuses {
    fn drop(&mut self) {
        for listening in &self.listening {
            listening.abort();
        }
    }
}
