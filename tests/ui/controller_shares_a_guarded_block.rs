use nestrs::prelude::*;

#[derive(Default)]
struct TokenGuard;

impl CanActivate for TokenGuard {
    async fn can_activate(&self, _: &ExecutionContext) -> Result<(), TransportError> {
        Ok(())
    }
}

#[injectable]
struct Gateway;

#[use_micro_guards(TokenGuard)]
#[micro_routes]
#[controller("/math")]
impl Gateway {
    #[message_pattern("math.sum")]
    #[get("/sum")]
    async fn sum(&self) {}
}

fn main() {}
