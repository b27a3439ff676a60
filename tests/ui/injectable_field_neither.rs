use nestrs::prelude::*;

struct Clock;

#[injectable]
struct Orders {
    clock: Clock,
}

fn main() {}
