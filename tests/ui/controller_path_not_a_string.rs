use nestrs::prelude::*;

#[injectable]
struct Gateway;

#[controller("/math")]
impl Gateway {
    #[get(sum)]
    async fn sum(&self) {}
}

fn main() {}
