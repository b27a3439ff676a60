//! Applications under test: parts replaced, no socket opened, everything else as it is.

mod app;
#[cfg(feature = "http")]
mod http;

pub use app::{TestApp, TestingModule};
#[cfg(feature = "http")]
pub use http::{TestHttp, TestRequest, TestResponse};
#[doc(inline)]
pub use nestrs_microservices::conformance;
pub use nestrs_microservices::{MockService, memory_pair};
