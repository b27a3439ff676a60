use nestrs::prelude::*;

#[injectable]
struct Math;

#[micro_routes]
impl Math {
    #[message_pattern("math.add")]
    async fn add<T: Send>(&self, payload: T) -> T {
        payload
    }
}

fn main() {}
