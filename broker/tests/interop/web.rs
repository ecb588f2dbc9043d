//! Stock moleculer-web in front: its `autoAliases` turn the `rest` key of our actions into routes.

use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::harness::{Pair, Version, logs, rs, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stock_web_gateway_routes_http_to_our_action() {
    logs();
    // The gateway is made for 0.15.
    let pair = Pair::with(Version::V015, &["web"], vec![rs()]).await;
    let port = pair.js.call("web.port", json!({})).await.unwrap();
    let port = u16::try_from(port.as_u64().unwrap()).unwrap();
    until("the route is there", async || {
        let aliases = pair.js.call("web.listAliases", json!({})).await.unwrap();
        aliases.as_array()?.iter().any(|alias| alias["actionName"] == "v3.rs.echo").then_some(())
    })
    .await;
    let get = async |path: &'static str| tokio::task::spawn_blocking(move || get(port, path)).await.unwrap();
    let answer = get("/api/v3/rs/echo/hello?x=1").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains(r#""word":"hello""#) && answer.contains(r#""x":"1""#), "{answer}");
    // Our answer to parameters that do not fit becomes the status, with what was wrong.
    let answer = get("/api/v3/rs/add?a=one&b=2").await;
    assert!(answer.starts_with("HTTP/1.1 422"), "{answer}");
    assert!(answer.contains("ValidationError") && answer.contains(r#""field":"a""#), "{answer}");
    pair.end().await;
}

fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the gateway listens");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}
