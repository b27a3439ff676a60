use nestrs::prelude::*;

#[injectable]
struct Gateway;

#[controller("/math")]
impl Gateway {
    fn helper(&self) {}
}

fn main() {}
