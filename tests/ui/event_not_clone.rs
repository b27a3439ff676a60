use nestrs::prelude::*;
use serde::{Deserialize, Serialize};

#[event("order.created")]
#[derive(Serialize, Deserialize)]
struct OrderCreated;

fn main() {}
