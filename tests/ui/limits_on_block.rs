use nestrs::prelude::*;

#[injectable]
struct Reports;

#[run_to_completion]
#[micro_routes]
#[handler_timeout("5s")]
impl Reports {
    #[message_pattern("report")]
    async fn report(&self) {}
}

#[run_to_completion]
fn main() {}
