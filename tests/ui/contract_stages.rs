use nestrs::prelude::*;

#[contract]
trait Orders {
    #[use_micro_guards(TokenGuard)]
    #[message_pattern("orders.count")]
    async fn count(&self) -> u64;
}

fn main() {}
