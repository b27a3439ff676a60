use nestrs::prelude::*;

struct Math;

impl Math {
    #[use_micro_guards(TokenGuard)]
    fn add(&self) {}
}

fn main() {}
