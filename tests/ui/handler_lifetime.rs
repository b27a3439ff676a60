use nestrs::prelude::*;

#[injectable]
struct Math;

#[micro_routes]
impl Math {
    #[message_pattern("math.add")]
    async fn add<'a>(&'a self, cx: &'a ExecutionContext) -> &'a str {
        cx.pattern()
    }
}

fn main() {}
