#[micro_routes]
#[use_micro_guards(TokenGuard)]
impl Math {
    #[message_pattern("")]
    #[use_micro_pipes(Trim)]
    async fn add(#[payload] payload: Value) {}
}

#[controller("math")]
impl Gateway {
    #[get(":id")]
    fn find(&self) {}
}

#[injectable]
struct Broken {
    #[inject("")]
    name: String,
}

#[injectable]
enum Either {
    One,
}

#[injectable]
struct Borrowing<'a>(&'a str);

#[module(imports = [ConfigModule], providers = ["NAME"], typo = [Math])]
struct AppModule;
