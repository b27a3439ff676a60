use nestrs::prelude::*;

#[injectable]
struct Audit;

#[event_routes]
impl Audit {
    #[message_pattern("user.created")]
    async fn log(&self, _: u64) {}
}

fn main() {}
