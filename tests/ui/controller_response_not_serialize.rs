use nestrs::prelude::*;

struct Total;

#[injectable]
struct Gateway;

#[controller("/math")]
impl Gateway {
    #[get("/sum")]
    async fn sum(&self) -> Total {
        Total
    }
}

fn main() {}
