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

#[controller("/math")]
#[use_micro_guards(TokenGuard)]
impl Gateway {
    #[get("/sum")]
    async fn sum(&self) {}
}

fn main() {}
