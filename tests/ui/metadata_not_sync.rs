use nestrs::prelude::*;

struct Roles(std::cell::Cell<u8>);

#[injectable]
struct Math;

#[micro_routes]
impl Math {
    #[message_pattern("math.add")]
    #[set_metadata(Roles(std::cell::Cell::new(1)))]
    async fn add(&self) {}
}

fn main() {}
