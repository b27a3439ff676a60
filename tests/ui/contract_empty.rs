use nestrs::prelude::*;

#[contract]
trait Orders {}

fn main() {}
