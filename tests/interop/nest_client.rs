//! NestJS calls us.

use super::*;

/// The cases are in `tests/interop/client.mjs`. Our server is a process of its own, which the last case kills.
async fn nest_client_against_our_server(major: &str) {
    let mut server = tokio::process::Command::new(program("contract_server"))
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the server starts");
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let address = lines.next_line().await.unwrap().expect("the server says where it listens");
    let port = address.rsplit(':').next().unwrap();
    let mut client = Node::run("client.mjs", &[major, port, "--kill"]);

    let mut killed = false;
    let mut failures = Vec::new();
    let mut cases = 0;
    while let Some(report) = client.report().await {
        if report["ready"] == "kill" {
            let unguarded = client_to(&address).send::<_, u64>("events.count", "fail.guard must never run").await;
            assert_eq!(unguarded.unwrap(), 0);
            server.kill().await.expect("it can be killed");
            killed = true;
        } else if report["ok"] == false {
            failures.push(report);
        } else if report["done"] == true {
            cases = report["cases"].as_u64().unwrap();
        }
    }
    assert_eq!(failures, Vec::<Value>::new());
    assert!(killed && cases >= 76, "only {cases} cases ran");
    assert_eq!(client.exit_code().await, Some(0));
    eprintln!("NestJS {major} client, nestrs server: {cases} cases");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nestjs_12_client_calls_our_server() {
    if is_available("a_nestjs_12_client_calls_our_server") {
        nest_client_against_our_server("v12").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nestjs_11_client_calls_our_server() {
    if is_available("a_nestjs_11_client_calls_our_server") {
        nest_client_against_our_server("v11").await;
    }
}
