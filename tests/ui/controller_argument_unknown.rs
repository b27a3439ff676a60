use nestrs::prelude::*;

#[injectable]
struct Gateway;

#[controller(version = 1)]
impl Gateway {
    #[get]
    async fn sum(&self) {}
}

fn main() {}
