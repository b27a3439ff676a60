use nestrs::prelude::*;

#[injectable]
struct Math;

#[micro_routes]
impl Math {
    #[message_pattern("math.add")]
    fn add(&self, payload: u64) -> impl Future<Output = u64> {
        async move { payload }
    }
}

fn main() {}
