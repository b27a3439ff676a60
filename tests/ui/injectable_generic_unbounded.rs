use nestrs::prelude::*;

#[injectable]
struct Repository<T> {
    items: std::sync::Mutex<Vec<T>>,
}

fn main() {}
