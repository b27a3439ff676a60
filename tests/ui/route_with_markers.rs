use nestrs::prelude::*;

#[derive(Default)]
struct Lowercase;

impl ArgumentPipe<String> for Lowercase {
    type Input = String;
    async fn transform(&self, _: &ExecutionContext, value: String) -> Result<String, TransportError> {
        Ok(value.to_lowercase())
    }
}

#[injectable]
struct MessagesFirst;

#[micro_routes]
#[controller("/first")]
impl MessagesFirst {
    #[post]
    #[message_pattern("first")]
    async fn piped(&self, #[pipe(Lowercase)] name: String) -> String {
        name
    }

    #[post("/named")]
    #[message_pattern("first.named")]
    async fn named(&self, #[payload("name")] name: String) -> String {
        name
    }
}

#[injectable]
struct HttpFirst;

#[controller("/second")]
#[micro_routes]
impl HttpFirst {
    #[post]
    #[message_pattern("second")]
    async fn piped(&self, #[pipe(Lowercase)] name: String) -> String {
        name
    }

    #[get]
    #[message_pattern("second.version")]
    async fn version(&self, #[header("x-version")] version: String) -> String {
        version
    }
}

#[injectable]
struct HttpOnly;

#[controller("/only")]
impl HttpOnly {
    #[post]
    async fn piped(&self, #[pipe(Lowercase)] name: String) -> String {
        name
    }
}

fn main() {}
