use nestrs::prelude::*;

#[injectable]
struct Reports;

#[event_routes]
impl Reports {
    #[on_event("report.asked")]
    #[handler_timeout("5s")]
    #[run_to_completion]
    async fn asked(&self) {}
}

fn main() {}
