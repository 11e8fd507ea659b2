//! `hadal serve`: the built program answers, logs, and ends in order on SIGTERM.
#![cfg(all(unix, feature = "serve"))]

use super::{Folder, hadal, words};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

/// Status and body of a request with a token.
fn ask(address: &str, token: &str, request: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let headers = format!("host: localhost\r\nauthorization: Bearer {token}\r\nconnection: close\r\ncontent-length: 0");
    write!(stream, "{request} HTTP/1.1\r\n{headers}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().to_owned(), body.to_owned())
}

#[test]
fn it_answers_until_it_is_told_to_stop() {
    let folder = Folder::new("serve");
    let trained =
        folder.run(&["train", "digits", "--model", "mlp", "--limit", "64", "--epochs", "1", "--out", "DIR/net"]);
    assert!(trained.status.success(), "{}", String::from_utf8_lossy(&trained.stderr));
    folder.write("token", "secret\n");
    let place = |name: &str| folder.0.join(name).to_str().unwrap().to_owned();
    // The same model as ONNX, with its labels and how images are prepared.
    let exported = folder.run(&["export", "DIR/net/model.safetensors", "-o", "DIR/digits.onnx", "--dynamic-batch"]);
    assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
    let models = [place("net"), place("digits.onnx")];
    let mut server =
        hadal(&["serve", &models[0], &models[1], "--exact", "--port", "0", "--token-file", &place("token")])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let address = line.strip_prefix("listening on http://").unwrap().split(';').next().unwrap().to_owned();
    while ask(&address, "", "GET /v2/health/ready").0 != "200" {}
    assert_eq!(ask(&address, "wrong", "GET /v2").0, "401");
    let (status, body) = ask(&address, "secret", "GET /v2/models/net");
    let metadata: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status.as_str(), &metadata["platform"]), ("200", &"hadal_safetensors".into()));
    let (status, body) = ask(&address, "secret", "GET /v2/models/digits");
    let exported: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status.as_str(), &exported["platform"]), ("200", &"onnx".into()));
    for part in ["inputs", "outputs", "parameters"] {
        assert_eq!(exported[part], metadata[part]);
    }
    assert!(Command::new("kill").args(["-TERM", &server.id().to_string()]).status().unwrap().success());
    let ended = server.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    let log: Vec<Value> =
        String::from_utf8(ended.stderr).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = log.last().unwrap();
    assert_eq!(
        (&last["path"], &last["status"], &last["model"]),
        (&"/v2/models/digits".into(), &200.into(), &"digits".into())
    );
    assert!(log.iter().any(|line| line["status"] == 401));
}

#[test]
fn what_it_cannot_serve_it_says() {
    let folder = Folder::new("serve-mistakes");
    folder.write("broken.safetensors", "nothing");
    folder.write("empty", "");
    for (arguments, status, expected) in [
        (&["DIR/none"][..], 1, "error: DIR/none: there is no such file or folder"),
        (&["DIR/empty", "--token-file", "DIR/empty"], 1, "error: DIR/empty holds no token: it is empty"),
        (
            &["DIR/empty", "--batch-delay", "5"],
            2,
            "error: invalid value '5' for '--batch-delay <TIME>': expected a time with its unit, such as 500us, 2ms or 30s\n\n\
             For more information, try '--help'.",
        ),
        #[cfg(not(feature = "grpc"))]
        (
            &["DIR/broken.safetensors", "--port", "0", "--grpc-port", "0"],
            1,
            "error: this hadal was built without gRPC: build it with --features grpc",
        ),
        (
            &["DIR/broken.safetensors", "--port", "0"],
            1,
            "error: DIR/broken.safetensors: safetensors data is not a safetensors file: it has 7 bytes, fewer than the \
             first field",
        ),
    ] {
        let (code, said) = words(&folder.run(&[&["serve"], arguments].concat()), &folder);
        assert_eq!((code, said.as_str()), (Some(status), expected));
    }
}
