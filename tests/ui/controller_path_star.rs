use nestrs::prelude::*;

#[injectable]
struct Gateway;

#[controller("/math")]
impl Gateway {
    #[get("/files/*")]
    async fn sum(&self) {}
}

fn main() {}
