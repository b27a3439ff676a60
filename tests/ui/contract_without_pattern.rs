use nestrs::prelude::*;

#[contract]
trait Orders {
    async fn count(&self) -> u64;
}

fn main() {}
