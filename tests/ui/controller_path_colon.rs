use nestrs::prelude::*;

#[injectable]
struct Gateway;

#[controller("/math")]
impl Gateway {
    #[get("/:id")]
    async fn sum(&self) {}
}

fn main() {}
