use nestrs::prelude::*;

#[contract(name = "ORDERS")]
trait Orders<T> {
    #[message_pattern("")]
    fn count(&mut self, filter: &str) -> u64;

    #[event_pattern({ cmd: 1, cmd: 2 })]
    async fn paid(&self, id: u64, at: u64) {}

    async fn new(&self);
}

fn main() {}
