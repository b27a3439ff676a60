use nestrs::prelude::*;

#[injectable]
struct Cats;

#[derive(serde::Deserialize)]
struct CreateCat;

#[micro_routes]
impl Cats {
    #[message_pattern("cats.create")]
    async fn create(&self, _cat: Valid<CreateCat>) {}
}

fn main() {}
