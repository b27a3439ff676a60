//! The contract's handlers as a process of their own, so that a test can end it as `kill -9` does.
//!
//! Prints the address it listens on.

#![expect(unreachable_pub, reason = "the contract is shared with the tests")]

#[path = "../support/contract.rs"]
mod contract;

use nestrs::microservices::TcpMicroserviceOptions;
use nestrs::prelude::*;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "this is how the test learns the address")]
async fn main() -> Result<(), ListenError> {
    let options = TcpMicroserviceOptions::bind("127.0.0.1:0");
    let app = NestFactory::create_microservice::<contract::ContractModule>(options).start().await?;
    println!("{}", app.address("tcp").unwrap_or_default());
    app.wait().await
}
