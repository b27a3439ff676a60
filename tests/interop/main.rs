//! A real NestJS on the other end of the wire, in both directions, in both majors.

#[cfg(all(feature = "microservices-nats", feature = "microservices-redis"))]
mod brokers;
mod nest_client;
mod our_client;
#[cfg(feature = "tls")]
mod secure;

#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;
#[cfg(feature = "tls")]
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use nestrs::Sent;
use nestrs::microservices::{ClientStatus, ReplyItems};
use nestrs::prelude::*;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use support::contract::ContractModule;
use support::node::{MAJORS, Node, is_available, nest_server};
use support::program::program;
use support::{client_of, client_to, free_port, serve_with};
