//! What clients may take, and who they must be.

use super::models::{Folder, Wide, gate, image, number, write_images};
use super::{options, start};
use hadal_serve::{Batching, Limits, Server};
use serde_json::json;
use std::time::Duration;

/// Waits until a line of the metrics stands there.
fn until(server: &super::Running, line: &str) {
    while !String::from_utf8(server.client().get("/metrics").body).unwrap().lines().any(|found| found == line) {
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn bodies_that_are_too_large() {
    let mut options = options(&[]);
    options.limits = Limits { body: 1000, ..Limits::default() };
    let server = Server::bind(options).unwrap();
    let (model, open, _) = gate();
    drop(open);
    server.add("gate", model).unwrap();
    let server = start(server);
    // Announced: refused before it is sent.
    let mut client = server.client();
    client.head("POST", "/v2/models/gate/infer", &[("content-length", "1001")]).unwrap();
    let error = client.receive().unwrap().error(413);
    assert_eq!(error, "the body is larger than the limit of 1000 bytes; --max-body allows more");
    // Not announced: refused when it has come.
    let mut client = server.client();
    client.head("POST", "/v2/models/gate/infer", &[("transfer-encoding", "chunked")]).unwrap();
    for _ in 0..11 {
        client.send(format!("64\r\n{}\r\n", "x".repeat(100)).as_bytes()).unwrap();
    }
    client.receive().unwrap().error(413);
    // A body in chunks that is small enough.
    let mut client = server.client();
    let body = number(3.0);
    client.head("POST", "/v2/models/gate/infer", &[("transfer-encoding", "chunked")]).unwrap();
    client.send(format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()).as_bytes()).unwrap();
    assert_eq!(client.receive().unwrap().json()["outputs"][0]["data"][0], 6.0);
    // Heads have a limit of their own.
    let mut client = server.client();
    client.head("GET", "/v2", &[("x-long", &"x".repeat(300_000))]).ok();
    assert_eq!(client.receive().unwrap().status, 431);
    let mut client = server.client();
    let many: Vec<_> = (0..100).map(|_| ("x-many", "x")).collect();
    client.head("GET", "/v2", &many).unwrap();
    assert_eq!(client.receive().unwrap().status, 431);
    // Compression is not read.
    let answer = server.client().post_with("/v2/models/gate/infer", &[("content-encoding", "gzip")], "x");
    assert!(answer.error(415).contains("without Content-Encoding"));
}

#[test]
fn bodies_together_have_a_limit() {
    let mut options = options(&[]);
    options.limits = Limits { body: 100_000, memory: 150_000, ..Limits::default() };
    let server = Server::bind(options).unwrap();
    let (model, open, _) = gate();
    server.add("gate", model).unwrap();
    let server = start(server);
    let padded = format!("{}{}", number(1.0), " ".repeat(90_000));
    let mut waiting = server.client();
    waiting.head("POST", "/v2/models/gate/infer", &[("content-length", &padded.len().to_string())]).unwrap();
    waiting.send(padded.as_bytes()).unwrap();
    until(&server, "hadal_requests_in_flight 2");
    // The first one's body is held until it is answered.
    while server.client().try_post("/v2/models/gate/infer", &[], &padded).is_ok_and(|answer| answer.status != 503) {}
    open.send(()).unwrap();
    assert_eq!(waiting.receive().unwrap().status, 200);
    drop(open);
    assert_eq!(server.client().post("/v2/models/gate/infer", &padded).status, 200);
}

#[test]
fn small_files_that_become_large() {
    let folder = Folder::new();
    write_images(&folder.path("net.safetensors"), 1);
    let mut options = options(&[&folder.argument("net.safetensors")]);
    options.limits = Limits { body: 100_000, ..Limits::default() };
    let server = start(Server::bind(options).unwrap());
    let ask = |files: usize| {
        let file = image(1, 1);
        let file = [&(file.len() as u32).to_le_bytes()[..], &file].concat();
        let parameters = json!({ "binary_data_size": files * file.len() });
        let input = json!({ "name": "input", "shape": [files], "datatype": "BYTES", "parameters": parameters });
        let head = json!({ "inputs": [input] }).to_string();
        let length = head.len().to_string();
        let headers = [("inference-header-content-length", length.as_str())];
        server.client().post_with("/v2/models/net/infer", &headers, [head.as_bytes(), &file.repeat(files)].concat())
    };
    assert_eq!(ask(390).status, 200);
    // 8 × 8 pixels of four bytes each.
    let error = ask(391).error(413);
    assert!(
        error.contains("the inputs take 100096 bytes as the model reads them, more than the limit of 100000"),
        "{error}"
    );
}

#[test]
fn answers_that_nobody_reads_have_a_limit() {
    let mut options = options(&[]);
    options.limits = Limits { body: 1000, memory: 20_000_000, ..Limits::default() };
    let server = Server::bind(options).unwrap();
    server.add("wide", Wide::new()).unwrap();
    let server = start(server);
    let body = number(1.0);
    let mut client = server.client();
    client.head("POST", "/v2/models/wide/infer", &[("content-length", &body.len().to_string())]).unwrap();
    client.send(body.as_bytes()).unwrap();
    until(&server, "hadal_requests_total{model=\"wide\",code=\"200\"} 1");
    // Sixteen million bytes wait for the first client.
    let answer = server.client().post("/v2/models/wide/infer", &body);
    assert!(answer.error(503).contains("read or answered take all the memory"));
    drop(client);
    while server.client().post("/v2/models/wide/infer", &body).status != 200 {}
}

#[test]
fn models_are_not_changed_by_just_anybody() {
    let folder = Folder::new();
    write_images(&folder.path("net.safetensors"), 1);
    let open = |token: Option<&str>| {
        let mut options = options(&[&folder.argument("net.safetensors")]);
        options.host = "0.0.0.0".into();
        options.token = token.map(str::to_owned);
        let mut server = start(Server::bind(options).unwrap());
        server.address.set_ip([127, 0, 0, 1].into());
        server
    };
    let server = open(None);
    for change in ["load", "unload"] {
        let error = server.client().post(&format!("/v2/repository/models/net/{change}"), "").error(403);
        assert!(error.contains("only where the server asks for a token"), "{error}");
    }
    assert_eq!(server.client().get("/v2/models/net/ready").status, 200);
    let server = open(Some("secret"));
    let token = [("authorization", "Bearer secret")];
    assert_eq!(server.client().post_with("/v2/repository/models/net/unload", &token, "").status, 200);
    server.client().post("/v2/repository/models/net/load", "").error(401);
}

#[test]
fn clients_and_models_that_take_too_long() {
    let mut options = options(&[]);
    let soon = Duration::from_millis(150);
    options.limits = Limits { head_time: soon, body_time: soon, answer_time: soon, ..Limits::default() };
    let server = Server::bind(options).unwrap();
    let (model, open, _) = gate();
    server.add("gate", model).unwrap();
    let server = start(server);
    // A head that does not end, and a client that says nothing: the connection is closed.
    let mut client = server.client();
    client.send(b"GET /v2 HTTP/1.1\r\nhost: ").unwrap();
    assert_eq!(client.rest(), b"");
    assert_eq!(server.client().rest(), b"");
    // A body that does not end.
    let mut client = server.client();
    client.head("POST", "/v2/models/gate/infer", &[("content-length", "100")]).unwrap();
    client.send(b"{\"inputs\"").unwrap();
    assert!(client.receive().unwrap().error(408).contains("did not arrive within 0.15 s"));
    // A model that does not answer.
    let answer = server.client().post("/v2/models/gate/infer", number(1.0));
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert!(answer.error(504).contains("no answer within 0.15 s"));
    drop(open);
    assert_eq!(server.client().post("/v2/models/gate/infer", number(1.0)).status, 200);
}

#[test]
fn clients_that_do_not_read() {
    let mut options = options(&[]);
    options.limits = Limits { write_time: Duration::from_millis(100), ..Limits::default() };
    let server = Server::bind(options).unwrap();
    server.add("wide", Wide::new()).unwrap();
    let server = start(server);
    let mut client = server.client();
    let body = number(1.0);
    client.head("POST", "/v2/models/wide/infer", &[("content-length", &body.len().to_string())]).unwrap();
    client.send(body.as_bytes()).unwrap();
    until(&server, "hadal_requests_total{model=\"wide\",code=\"200\"} 1");
    // Only the connection of the one that asks is left.
    until(&server, "hadal_connections 1");
    assert!(client.rest().len() < 16_000_000);
    assert_eq!(server.client().post("/v2/models/wide/infer", &body).body.len() / 1_000_000, 16);
}

#[test]
fn a_full_queue_refuses() {
    let mut options = options(&[]);
    options.batching = Batching { max_batch: 1, delay: Duration::ZERO, queue: 2 };
    let server = Server::bind(options).unwrap();
    let (model, open, batches) = gate();
    server.add("gate", model).unwrap();
    let server = start(server);
    let ask = |x| {
        let mut client = server.client();
        let body = number(x);
        client.head("POST", "/v2/models/gate/infer", &[("content-length", &body.len().to_string())]).unwrap();
        client.send(body.as_bytes()).unwrap();
        client
    };
    // One runs, two wait.
    let first = ask(1.0);
    until(&server, "hadal_requests_in_flight 2");
    until(&server, "hadal_queue_requests{model=\"gate\",version=\"1\"} 0");
    let others = [ask(2.0), ask(3.0)];
    until(&server, "hadal_queue_requests{model=\"gate\",version=\"1\"} 2");
    let answer = ask(4.0).receive().unwrap();
    assert_eq!(answer.header("retry-after"), Some("1"));
    let error = answer.error(429);
    assert_eq!(error, "model \"gate\": 2 requests are waiting, as many as the queue holds; try again later");
    // A client that leaves gives its place away, and its request is not run.
    let [second, third] = others;
    drop(third);
    until(&server, "hadal_requests_in_flight 3");
    drop(open);
    for (mut client, expected) in [(first, 2.0), (second, 4.0)] {
        assert_eq!(client.receive().unwrap().json()["outputs"][0]["data"][0], expected);
    }
    until(&server, "hadal_requests_total{model=\"gate\",code=\"499\"} 1");
    assert_eq!(batches.lock().unwrap().len(), 2);
}

#[test]
fn connections_have_a_limit() {
    let mut options = options(&[]);
    options.limits = Limits { connections: 3, ..Limits::default() };
    let server = start(Server::bind(options).unwrap());
    // The probe's connection may still be closing.
    let is_let_in = |client: &mut super::Client| {
        client.head("GET", "/v2", &[]).and_then(|()| client.receive()).is_ok_and(|answer| answer.status == 200)
    };
    let mut open = Vec::new();
    while open.len() < 3 {
        let mut client = server.client();
        if is_let_in(&mut client) {
            open.push(client);
        }
    }
    let mut refused = server.client();
    let answer = refused.receive().unwrap();
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert!(answer.error(503).contains("as many connections"));
    assert_eq!(open[0].get("/v2").status, 200);
    drop(open);
    while !is_let_in(&mut server.client()) {}
}

#[test]
fn a_token_is_asked_for() {
    let folder = Folder::new();
    write_images(&folder.path("net.safetensors"), 1);
    let mut options = options(&[&folder.argument("net.safetensors")]);
    options.token = Some("secret".into());
    let server = start(Server::bind(options).unwrap());
    let mut client = server.client();
    for open in ["/v2/health/live", "/v2/health/ready", "/"] {
        assert_eq!(client.get(open).status, 200, "{open}");
    }
    for closed in ["/v2", "/v2/models/net", "/metrics", "/openapi.json"] {
        let answer = client.get(closed);
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        assert!(answer.error(401).contains("Authorization: Bearer"));
    }
    client.head("GET", "/v2/models/net", &[("authorization", "Bearer secreT")]).unwrap();
    client.receive().unwrap().error(401);
    client.head("GET", "/v2/models/net", &[("authorization", "Bearer secret")]).unwrap();
    assert_eq!(client.receive().unwrap().status, 200);
}
