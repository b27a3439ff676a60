use nestrs::prelude::*;

struct Math<T>(T);

#[micro_routes]
impl<T: Send + Sync + 'static> Math<T> {
    #[message_pattern("math.add")]
    async fn add(&self, _: u64) {}
}

fn main() {}
