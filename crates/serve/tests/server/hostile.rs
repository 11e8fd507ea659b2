//! Clients that mean harm, or cannot do better: the server refuses, closes, and goes on.

use super::models::{Folder, images, request, write_images};
use super::{Running, options, start};
use hadal_serve::{Limits, Server};
use serde_json::json;
use std::time::Duration;

fn serve(folder: &Folder) -> Running {
    write_images(&folder.path("net.safetensors"), 1);
    start(Server::bind(options(&[&folder.argument("net.safetensors")])).unwrap())
}

/// Asserts that a good request is answered as ever.
#[track_caller]
fn is_well(server: &Running) {
    let answer = server.client().post("/v2/models/net/infer", request(&images(2), json!([])));
    assert_eq!(answer.status, 200);
}

#[test]
fn bodies_that_lie() {
    let folder = Folder::new();
    let server = serve(&folder);
    let mut client = server.client();
    let mut error =
        |headers: &[(&str, &str)], body: &[u8]| client.post_with("/v2/models/net/infer", headers, body).error(400);
    let input = |rest: &str| format!("{{\"inputs\":[{{\"name\":\"input\",{rest}}}]}}");
    for (body, words) in [
        ("".to_owned(), "no inference request"),
        ("[]".to_owned(), "no inference request"),
        ("{".repeat(100_000), "no inference request"),
        ("[".repeat(1_000_000), "no inference request"),
        ("{\"inputs\":[]}".to_owned(), "input \"input\" is missing"),
        (input("\"shape\":[1,1,8,8],\"datatype\":\"FP33\""), "there is no datatype \"FP33\"; there are BOOL"),
        (input("\"shape\":[1,1,8,8],\"datatype\":\"FP32\""), "neither `data` nor `binary_data_size`"),
        (input("\"shape\":[1,1,8,8],\"datatype\":\"FP32\",\"data\":{}"), "an object stands where"),
        (input("\"shape\":[1,1,8,8],\"datatype\":\"FP32\",\"data\":[[[[1]]]]"), "an array at depth 4 has 1 elements"),
        (input("\"shape\":[-1,1,8,8],\"datatype\":\"FP32\",\"data\":[]"), "no inference request: invalid value"),
        (input("\"shape\":[0,1,8,8],\"datatype\":\"FP32\",\"data\":[]"), "there are no samples in it"),
        (input("\"shape\":[1152921504606846976,1,8,8],\"datatype\":\"FP32\",\"data\":[1]"), "nothing has shape"),
        (input("\"shape\":[1099511627776,1,8,8],\"datatype\":\"FP32\",\"data\":[1]"), "there are 1 elements"),
        (input("\"shape\":[1000000000],\"datatype\":\"BYTES\",\"data\":[\"\"]"), "there are 1 elements"),
        (input("\"shape\":[1],\"datatype\":\"BYTES\",\"data\":[\"x\"]"), "image 0: neither PNG nor JPEG"),
        (input(&format!("\"shape\":[{}]", "1,".repeat(100))), "no inference request"),
        (input(&format!("\"shape\":[{}1],\"datatype\":\"FP32\"", "1,".repeat(100))), "more than 32 elements"),
    ] {
        let error = error(&[], body.as_bytes());
        assert!(error.contains(words), "{error}");
        assert!(error.starts_with("model \"net\": ") && error.len() < 600, "{error}");
    }
    let binary = |size: &str| {
        input(&format!("\"shape\":[1,1,8,8],\"datatype\":\"FP32\",\"parameters\":{{\"binary_data_size\":{size}}}"))
    };
    for (size, words) in [
        ("18446744073709551615", "0 bytes are left after the JSON"),
        ("18446744073709551616", "no inference request"),
        ("-1", "no inference request"),
        ("256", "0 bytes are left after the JSON"),
        ("0", "FP32 of shape [1, 1, 8, 8] takes 256 bytes, got 0"),
    ] {
        let body = binary(size);
        let error = error(&[("inference-header-content-length", &body.len().to_string())], body.as_bytes());
        assert!(error.contains(words), "{error}");
    }
    let body = binary("256");
    let extra = [body.as_bytes(), &[0; 300]].concat();
    let length = body.len().to_string();
    assert!(
        error(&[("inference-header-content-length", &length)], &extra).contains("44 bytes of binary data are left")
    );
    for (length, words) in [("99999999", "the body has only"), ("-1", "is no number"), ("x", "is no number")] {
        assert!(error(&[("inference-header-content-length", length)], b"{}").contains(words));
    }
    is_well(&server);
}

#[test]
fn bytes_that_are_no_http() {
    let folder = Folder::new();
    write_images(&folder.path("net.safetensors"), 1);
    let mut options = options(&[&folder.argument("net.safetensors")]);
    // What waits for more is given up soon.
    let soon = Duration::from_millis(300);
    options.limits = Limits { head_time: soon, body_time: soon, ..Limits::default() };
    let server = start(Server::bind(options).unwrap());
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"\0\0\0\0\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /v2 HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /v2/models/net/infer HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        b"POST /v2/models/net/infer HTTP/1.1\r\ncontent-length: 99999999999999999999\r\n\r\n",
        b"POST /v2/models/net/infer HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzzz\r\n",
        b"POST /v2/models/net/infer HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n",
    ] {
        let mut client = server.client();
        client.send(garbage).unwrap();
        // A refusal or nothing, then the end of the connection.
        if let Ok(answer) = client.receive() {
            assert!((400..500).contains(&answer.status), "{answer:?}");
        }
        client.rest();
    }
    is_well(&server);
}

#[test]
fn clients_that_leave() {
    let folder = Folder::new();
    let server = serve(&folder);
    let body = request(&images(4), json!([]));
    let whole = format!(
        "POST /v2/models/net/infer HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    // After every part of a request, and before its answer.
    for end in (0..whole.len()).step_by(97).chain([whole.len()]) {
        server.client().send(&whole.as_bytes()[..end]).unwrap();
    }
    // Requests one after the other without waiting for answers.
    let mut client = server.client();
    client.send(whole.repeat(20).as_bytes()).unwrap();
    for _ in 0..20 {
        assert_eq!(client.receive().unwrap().status, 200);
    }
    let idle: Vec<_> = (0..300).map(|_| server.client()).collect();
    is_well(&server);
    drop(idle);
}

#[test]
fn paths_and_pages_of_others() {
    let folder = Folder::new();
    let server = serve(&folder);
    let mut client = server.client();
    for path in
        ["/v2/models/../../etc/passwd", "/v2/models/%2e%2e", "//", "/v2/models/net/versions/99999999999999999999"]
    {
        assert!(client.get(path).error(404).len() < 400);
    }
    let long = format!("/v2/models/{}", "x".repeat(50_000));
    assert!(client.get(&long).error(404).len() < 400);
    let answer = client.post_with("/v2/repository/models/net/unload", &[("origin", "https://evil.example")], "");
    assert!(answer.error(403).contains("pages of other servers"));
    client.send(b"GET /v2 HTTP/1.1\r\nhost: evil.example:8000\r\n\r\n").unwrap();
    assert!(client.receive().unwrap().error(403).contains("is called localhost"));
    assert_eq!(client.post_with("/v2/repository/index", &[("origin", "http://localhost")], "").status, 200);
    is_well(&server);
}
