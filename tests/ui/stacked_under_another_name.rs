use nestrs::prelude::*;
use nestrs::{controller as ctl, use_guards as guarded_by};

#[derive(Default)]
struct Deny;

impl CanActivate for Deny {
    async fn can_activate(&self, _: &ExecutionContext) -> Result<(), TransportError> {
        Err(forbidden())
    }
}

#[injectable]
struct Block;

// Its routes would be open.
#[micro_routes]
#[use_guards(Deny)]
#[ctl("/block")]
impl Block {
    #[get]
    #[message_pattern("block")]
    async fn open(&self) {}
}

#[injectable]
struct Stage;

// Its messages would be open.
#[micro_routes]
#[guarded_by(Deny)]
#[controller("/stage")]
impl Stage {
    #[get]
    #[message_pattern("stage")]
    async fn open(&self) {}
}

fn main() {}
