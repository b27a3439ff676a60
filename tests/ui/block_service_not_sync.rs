use nestrs::prelude::*;

struct Math(std::cell::Cell<u64>);

#[micro_routes]
impl Math {
    #[message_pattern("math.add")]
    fn add(&self, payload: u64) {
        self.0.set(payload);
    }
}

fn main() {}
