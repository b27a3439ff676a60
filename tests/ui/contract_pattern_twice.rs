use nestrs::prelude::*;

#[contract]
trait Orders {
    #[message_pattern({ cmd: "count", v: 1 })]
    async fn count(&self) -> u64;

    #[message_pattern({ v: 1, cmd: "count" })]
    async fn count_all(&self) -> u64;
}

fn main() {}
