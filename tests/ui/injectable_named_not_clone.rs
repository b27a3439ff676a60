use nestrs::prelude::*;

struct Clock;

#[injectable]
struct Orders {
    #[inject("CLOCK")]
    clock: Clock,
}

fn main() {}
