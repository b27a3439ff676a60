use nestrs::prelude::*;

struct TokenGuard;

impl CanActivate for TokenGuard {
    async fn can_activate(&self, _: &ExecutionContext) -> Result<(), TransportError> {
        Ok(())
    }
}

#[injectable]
struct Math;

#[micro_routes]
impl Math {
    #[message_pattern("math.add")]
    #[use_micro_guards(TokenGuard)]
    async fn add(&self, _: u64) {}
}

fn main() {}
