use futures_util::Stream;
use nestrs::prelude::*;

#[injectable]
struct Reports;

#[micro_routes]
impl Reports {
    #[message_pattern("opposites")]
    #[cancel_on_disconnect]
    #[run_to_completion]
    async fn opposites(&self) {}

    #[message_pattern("twice")]
    #[cancel_on_disconnect]
    #[cancel_on_disconnect(at_once)]
    async fn twice(&self) {}

    #[message_pattern("number")]
    #[handler_timeout(5)]
    async fn number(&self) {}

    #[message_pattern("unit")]
    #[handler_timeout("5 seconds")]
    async fn unit(&self) {}

    #[message_pattern("bare")]
    #[handler_timeout]
    async fn bare(&self) {}

    #[event_pattern("event")]
    #[cancel_on_disconnect]
    async fn event(&self) {}

    #[message_pattern("stream")]
    #[run_to_completion]
    fn stream(&self) -> impl Stream<Item = u8> {
        futures_util::stream::empty()
    }

    #[run_to_completion]
    async fn helper(&self) {}
}

fn main() {}
