use nestrs::prelude::*;

const LONG: u64 = 5;

#[injectable]
struct Reports;

#[micro_routes]
impl Reports {
    #[message_pattern("report")]
    #[handler_timeout(LONG)]
    async fn report(&self) {}
}

fn main() {}
