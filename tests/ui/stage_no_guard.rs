use nestrs::prelude::*;

#[derive(Default)]
struct TokenGuard;

#[injectable]
struct Math;

#[micro_routes]
impl Math {
    #[message_pattern("math.add")]
    #[use_micro_guards(TokenGuard)]
    async fn add(&self, _: u64) {}
}

fn main() {}
