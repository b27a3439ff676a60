use nestrs::prelude::*;

#[derive(Default)]
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
    async fn add(&self, _: u64) {}

    #[use_micro_guards(TokenGuard)]
    fn helper(&self) {}
}

fn main() {}
