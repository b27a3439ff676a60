use nestrs::prelude::*;

#[injectable]
struct Orders;

#[injectable]
struct Repo;

#[micro_routes]
impl Orders {
    #[message_pattern("orders.find")]
    async fn find(&self, #[inject] _repo: Repo, id: u32) -> u32 {
        id
    }
}

fn main() {}
