use nestrs::prelude::*;

#[injectable]
struct Repository<T: Default> {
    first: T,
}

fn main() {}
