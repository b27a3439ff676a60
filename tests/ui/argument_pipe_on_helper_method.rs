use nestrs::prelude::*;

#[injectable]
struct Orders;

#[micro_routes]
impl Orders {
    #[message_pattern("orders.find")]
    async fn find(&self, id: u32) -> u32 {
        self.checked(id)
    }

    fn checked(&self, #[pipe(ParseIntPipe)] id: u32) -> u32 {
        id
    }
}

fn main() {}
