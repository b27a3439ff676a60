use nestrs::prelude::*;

#[injectable]
struct Math;

#[micro_routes(prefix = "math")]
impl Math {
    #[message_pattern("")]
    async fn add(&mut self, _: &str) {}

    #[event_pattern({ cmd: 1, cmd: 2 })]
    #[use_micro_guards]
    fn added<T>(&self) {}
}

fn main() {}
