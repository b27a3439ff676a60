use nestrs::prelude::*;

#[injectable]
struct Gateway;

#[controller("/math")]
impl Gateway {
    #[get("/sum")]
    #[get("/total")]
    async fn sum(&self) {}
}

fn main() {}
