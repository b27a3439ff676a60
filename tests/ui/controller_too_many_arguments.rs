use nestrs::prelude::*;

type M = nestrs::axum::http::Method;

#[injectable]
struct Gateway;

#[controller("/math")]
impl Gateway {
    #[get("/sum")]
    async fn sum(&self, _: M, _: M, _: M, _: M, _: M, _: M, _: M, _: M, _: M) {}
}

fn main() {}
