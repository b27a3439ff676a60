use nestrs::prelude::*;

struct Math;

#[use_micro_guards(TokenGuard)]
impl Math {
    fn add(&self) {}
}

fn main() {}
