use nestrs::prelude::*;

#[injectable]
struct Orders;

struct Version;

#[micro_routes]
impl Orders {
    #[message_pattern("orders.find")]
    async fn find(&self, #[header("x-version")] _version: Option<Version>) {}
}

fn main() {}
