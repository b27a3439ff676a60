use nestrs::prelude::*;

#[injectable]
struct Gateway;

#[controller("math")]
impl Gateway {
    #[get]
    async fn sum(&self) {}
}

fn main() {}
