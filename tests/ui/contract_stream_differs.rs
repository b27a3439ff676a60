use futures_util::{Stream, stream};
use nestrs::prelude::*;

#[contract]
trait Clock {
    #[message_pattern("ticks")]
    fn ticks(&self) -> impl Stream<Item = u64>;
}

#[injectable]
struct Service;

#[micro_routes(contract = Clock)]
impl Service {
    fn ticks(&self) -> impl Stream<Item = u32> + use<> {
        stream::iter([1])
    }
}

fn main() {}
