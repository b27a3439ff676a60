use nestrs::prelude::*;

fn patterns() {
    let pattern: Pattern = pattern!("");
    let _ = pattern.route();
}

fn main() {}
