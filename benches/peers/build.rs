//! tonic's code for the service, from Rust: no `protoc` has to be there.

use tonic_build::manual::{Builder, Method, Service};

fn main() {
    let method = |name: &str, route: &str, request: &str, reply: &str| {
        let of_crate = |name: &str| format!("crate::by_tonic::{name}");
        let method = Method::builder().name(name).route_name(route);
        let method = method.input_type(of_crate(request)).output_type(of_crate(reply));
        method.codec_path("tonic_prost::ProstCodec").build()
    };
    let service = Service::builder().name("Work").package("peers");
    let service = service.method(method("sum", "Sum", "Numbers", "Number"));
    let service = service.method(method("echo", "Echo", "Text", "Text")).build();
    Builder::new().compile(&[service]);
}
