use nestrs::prelude::*;

fn patterns() {
    let _ = pattern!(["math.add", "math.sum"]);
}

fn main() {}
