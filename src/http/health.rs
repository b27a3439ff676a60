//! What the health check answers.

use axum::Json;
use axum::http::StatusCode;
use nestrs_microservices::{ServerHandle, ServerStatus};
use serde::Serialize;

use crate::servers::Servers;

#[derive(Serialize)]
pub(super) struct Health {
    status: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    servers: Vec<Server>,
}

#[derive(Serialize)]
struct Server {
    transport: &'static str,
    status: ServerStatus,
}

/// Well, and no more than that, as long as every server of messages is. HTTP itself is not in its answer, which tells that much by being there.
pub(super) fn report(servers: &Servers) -> (StatusCode, Json<Health>) {
    let servers: Vec<_> = servers.iter().filter(|server| server.transport() != "http").map(Server::of).collect();
    let status = if servers.iter().all(|server| server.status == ServerStatus::Listening) {
        "ok"
    } else if servers.iter().any(|server| server.status == ServerStatus::Failed) {
        "error"
    } else if servers.iter().any(|server| server.status == ServerStatus::Reconnecting) {
        "reconnecting"
    } else {
        "shutting_down"
    };
    if status == "ok" {
        return (StatusCode::OK, Json(Health { status, servers: Vec::new() }));
    }
    (StatusCode::SERVICE_UNAVAILABLE, Json(Health { status, servers }))
}

impl Server {
    fn of(server: &ServerHandle) -> Self {
        Self { transport: server.transport(), status: server.current_status() }
    }
}
