use nestrs::prelude::*;

#[injectable]
struct Orders<'a> {
    name: &'a str,
}

fn main() {}
