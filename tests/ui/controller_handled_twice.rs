use nestrs::prelude::*;

#[injectable]
struct Gateway;

#[controller("/math")]
impl Gateway {
    #[get("/{id}")]
    async fn by_id(&self) {}

    #[get("/{name}")]
    async fn by_name(&self) {}
}

fn main() {}
