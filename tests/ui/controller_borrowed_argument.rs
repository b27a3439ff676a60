use nestrs::prelude::*;

#[injectable]
struct Gateway;

#[controller("/math")]
impl Gateway {
    #[get("/{name}")]
    async fn sum(&self, _: &str) {}
}

fn main() {}
