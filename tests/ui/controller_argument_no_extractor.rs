use nestrs::prelude::*;

struct Pair;

#[injectable]
struct Gateway;

#[controller("/math")]
impl Gateway {
    #[get("/sum")]
    async fn sum(&self, _: Pair) {}
}

fn main() {}
