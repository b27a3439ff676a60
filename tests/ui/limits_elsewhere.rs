use nestrs::prelude::*;

#[contract]
trait Reports {
    #[message_pattern("reports.make")]
    #[handler_timeout("5s")]
    async fn make(&self) -> u32;

    #[message_pattern("reports.search")]
    #[cancel_on_disconnect]
    #[run_to_completion]
    async fn search(&self) -> u32;
}

#[injectable]
struct Times;

#[micro_routes]
impl Times {
    #[message_pattern("parsecs")]
    #[handler_timeout("5 parsecs")]
    async fn parsecs(&self) {}

    #[message_pattern("negative")]
    #[handler_timeout("-5s")]
    async fn negative(&self) {}

    #[message_pattern("nothing")]
    #[handler_timeout("0s")]
    async fn nothing(&self) {}

    #[message_pattern("fraction")]
    #[handler_timeout("1.5s")]
    async fn fraction(&self) {}

    #[message_pattern("empty")]
    #[handler_timeout("")]
    async fn empty(&self) {}

    #[message_pattern("value")]
    #[handler_timeout = "5s"]
    async fn value(&self) {}

    #[message_pattern("two")]
    #[handler_timeout("5s", "6s")]
    async fn two(&self) {}

    #[message_pattern("minus")]
    #[handler_timeout(-5)]
    async fn minus(&self) {}

    #[message_pattern("call")]
    #[handler_timeout(Duration::from_secs(0))]
    async fn call(&self) {}

    #[message_pattern("twice")]
    #[handler_timeout("5s")]
    #[handler_timeout("5s")]
    async fn twice(&self) {}

    #[cfg(any())]
    #[message_pattern("left.out")]
    #[handler_timeout("5 parsecs")]
    async fn left_out(&self) {}

    #[message_pattern("when")]
    #[cfg_attr(all(), handler_timeout("5s"))]
    async fn when(&self) {}
}

#[handler_timeout("5s")]
struct Alone;

fn main() {}
