use nestrs::prelude::*;

#[event("order.*")]
struct Wildcard;

#[event]
struct Nameless;

#[event(NAME)]
struct NotALiteral;

#[event("order.created")]
struct Generic<T>(T);

#[event("order.created")]
fn created() {}

fn main() {}
