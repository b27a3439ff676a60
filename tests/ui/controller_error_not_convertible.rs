use nestrs::prelude::*;

struct Overflow;

#[injectable]
struct Gateway;

#[controller("/math")]
impl Gateway {
    #[get("/sum")]
    async fn sum(&self) -> Result<u64, Overflow> {
        Err(Overflow)
    }
}

fn main() {}
