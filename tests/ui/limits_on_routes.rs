use nestrs::prelude::*;

#[injectable]
struct Reports;

#[controller("/reports")]
#[micro_routes]
impl Reports {
    #[get]
    #[cancel_on_disconnect]
    async fn list(&self) {}

    #[post]
    #[run_to_completion]
    async fn make(&self) {}

    #[get("/both")]
    #[message_pattern("both")]
    #[run_to_completion]
    async fn both(&self) {}

    #[get("/fine")]
    #[message_pattern("fine")]
    #[cancel_on_disconnect]
    #[handler_timeout("5s")]
    async fn fine(&self) {}

    #[handler_timeout("5s")]
    async fn helper(&self) {}
}

#[injectable]
struct Others;

#[micro_routes]
#[controller("/others")]
impl Others {
    #[get("/both")]
    #[message_pattern("both")]
    #[run_to_completion]
    async fn both(&self) {}

    #[get("/fine")]
    #[message_pattern("fine")]
    #[cancel_on_disconnect]
    #[handler_timeout("5s")]
    async fn fine(&self) {}
}

fn main() {}
