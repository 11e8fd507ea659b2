//! Models replaced and servers stopped while requests run: nothing that was accepted is lost.

use super::models::{Folder, gate, images, number, request, write_images};
use super::{options, start};
use hadal::Trained;
use hadal_serve::{Limits, Options, Rounding, Server};
use serde_json::json;
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// Logits of one sample, as they stand in an answer of a server that rounds as the model does.
fn expected(path: &Path) -> serde_json::Value {
    json!(Trained::read_whole(path).unwrap().forward(&images(1)).unwrap().to_vec::<f32>())
}

fn exact(models: &[&str]) -> Options {
    Options { rounding: Rounding::Exact, ..options(models) }
}

#[test]
fn stopping_finishes_what_was_accepted() {
    let server = Server::bind(options(&[])).unwrap();
    let (model, open, batches) = gate();
    server.add("gate", model).unwrap();
    let server = start(server);
    let address = server.address;
    let mut clients: Vec<_> = (0..20)
        .map(|i| {
            let (mut client, body) = (server.client(), number(i as f32));
            client.head("POST", "/v2/models/gate/infer", &[("content-length", &body.len().to_string())]).unwrap();
            client.send(body.as_bytes()).unwrap();
            client
        })
        .collect();
    let mut probe = server.client();
    while !String::from_utf8(probe.get("/metrics").body).unwrap().contains("hadal_requests_in_flight 21\n") {}
    server.stopper.stop();
    // Nobody new is let in, and an idle connection is closed.
    while TcpStream::connect(address).is_ok() {}
    assert_eq!(probe.rest(), b"");
    drop(open);
    for (i, client) in clients.iter_mut().enumerate() {
        let answer = client.receive().unwrap();
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(answer.json()["outputs"][0]["data"][0], 2.0 * i as f32);
    }
    server.stop().unwrap();
    assert_eq!(batches.lock().unwrap().iter().sum::<usize>(), 20);
}

#[test]
fn stopping_does_not_wait_for_ever() {
    let mut options = options(&[]);
    options.limits = Limits { drain_time: Duration::from_millis(50), ..Limits::default() };
    let server = Server::bind(options).unwrap();
    let (model, open, _) = gate();
    server.add("gate", model).unwrap();
    let server = start(server);
    let mut client = server.client();
    let body = number(1.0);
    client.head("POST", "/v2/models/gate/infer", &[("content-length", &body.len().to_string())]).unwrap();
    client.send(body.as_bytes()).unwrap();
    let mut probe = server.client();
    while !String::from_utf8(probe.get("/metrics").body).unwrap().contains("hadal_requests_in_flight 2\n") {}
    let error = server.stop().unwrap_err().to_string();
    assert_eq!(error, "requests that were cut off, still running after 0.05 s: 1");
    drop(open);
}

#[test]
fn a_model_is_replaced_under_load() {
    let folder = Folder::new();
    let file = folder.path("net/model.safetensors");
    write_images(&file, 1);
    let old = expected(&file);
    let server = start(Server::bind(exact(&[&folder.argument("net")])).unwrap());
    let (stop, swapped) = (AtomicBool::new(false), AtomicBool::new(false));
    let answered = AtomicUsize::new(0);
    let body = request(&images(1), json!([{ "name": "logits" }]));
    let new = std::thread::scope(|scope| {
        let ask = || {
            let mut client = server.client();
            let mut seen = Vec::new();
            while !stop.load(Relaxed) {
                let after = swapped.load(Relaxed);
                let answer = client.post("/v2/models/net/infer", &body);
                assert_eq!(answer.status, 200);
                seen.push((after, answer.json()["outputs"][0]["data"].clone()));
                answered.fetch_add(1, Relaxed);
            }
            seen
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        let wait = |more: usize| {
            let begun = answered.load(Relaxed);
            while answered.load(Relaxed) < begun + more {
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        wait(100);
        // In place, as `cp` does it: what is served does not depend on the file any more.
        let other = folder.path("other.safetensors");
        write_images(&other, 2);
        std::fs::copy(&other, &file).unwrap();
        let new = expected(&file);
        wait(100);
        assert_eq!(server.client().post("/v2/repository/models/net/load", "{}").status, 200);
        swapped.store(true, Relaxed);
        wait(100);
        stop.store(true, Relaxed);
        let floats = |value: &serde_json::Value| serde_json::from_value::<Vec<f32>>(value.clone()).unwrap();
        for (after, logits) in threads.into_iter().flat_map(|thread| thread.join().unwrap()) {
            let is_new = floats(&logits) == floats(&new);
            assert!(is_new || (!after && floats(&logits) == floats(&old)), "{logits} is neither");
        }
        new
    });
    assert_ne!(old, new);
}

#[test]
fn a_broken_file_leaves_the_old_model() {
    let folder = Folder::new();
    let file = folder.path("net/model.safetensors");
    write_images(&file, 1);
    let server = start(Server::bind(exact(&[&folder.argument("net")])).unwrap());
    let mut client = server.client();
    let body = request(&images(1), json!([{ "name": "logits" }]));
    let before = client.post("/v2/models/net/infer", &body).json();
    std::fs::write(&file, "not a model").unwrap();
    let error = client.post("/v2/repository/models/net/load", "").error(400);
    assert!(error.contains("model.safetensors"), "{error}");
    assert_eq!(client.post("/v2/models/net/infer", &body).json(), before);
    let line = client.post("/v2/repository/index", "").json()[0].clone();
    assert_eq!((&line["state"], &line["version"]), (&json!("READY"), &json!("1")));
    assert!(line["reason"].as_str().unwrap().starts_with("an earlier load goes on being served: "));

    // Unloaded, it is gone; with its file mended, it comes back.
    assert_eq!(client.post("/v2/repository/models/net/unload", "").status, 200);
    let error = client.post("/v2/models/net/infer", &body).error(404);
    let fix = "model \"net\" is not loaded (it was unloaded); load it with POST /v2/repository/models/net/load";
    assert_eq!(error, fix);
    assert_eq!(client.get("/v2/models/net/ready").status, 404);
    write_images(&file, 1);
    assert_eq!(client.post("/v2/repository/models/net/load", "").status, 200);
    assert_eq!(client.post("/v2/models/net/infer", &body).json(), before);
    assert!(client.post("/v2/repository/models/ned/load", "").error(400).contains("did you mean `net`?"));
    // A name leads to no other file.
    write_images(&folder.path("elsewhere.safetensors"), 1);
    client.post("/v2/repository/models/..%2felsewhere/load", "").error(400);
}

#[test]
fn changed_files_are_noticed() {
    let folder = Folder::new();
    write_images(&folder.path("net/1/model.safetensors"), 1);
    let mut options = exact(&[&folder.argument("net")]);
    options.watch = Some(Duration::from_millis(10));
    let server = start(Server::bind(options).unwrap());
    let mut client = server.client();
    write_images(&folder.path("net/2/model.safetensors"), 2);
    while client.get("/v2/models/net").json()["versions"] != json!(["1", "2"]) {}
    std::fs::remove_dir_all(folder.path("net/1")).unwrap();
    while client.get("/v2/models/net").json()["versions"] != json!(["2"]) {}
    let body = request(&images(1), json!([{ "name": "logits" }]));
    let logits = client.post("/v2/models/net/infer", &body).json()["outputs"][0]["data"].clone();
    let floats: Vec<f32> = serde_json::from_value(logits).unwrap();
    assert_eq!(json!(floats), expected(&folder.path("net/2/model.safetensors")));
}

#[test]
fn what_cannot_be_served_is_said_at_the_start() {
    let folder = Folder::new();
    write_images(&folder.path("a/net.safetensors"), 1);
    write_images(&folder.path("b/net.safetensors"), 1);
    std::fs::write(folder.path("broken.safetensors"), "nothing").unwrap();
    std::fs::create_dir(folder.path("empty")).unwrap();
    let bind = |paths: &[&str]| {
        let paths: Vec<String> = paths.iter().map(|path| folder.argument(path)).collect();
        Server::bind(options(&paths.iter().map(String::as_str).collect::<Vec<_>>()))
    };
    let error = |paths: &[&str]| bind(paths).err().expect("it cannot be served").to_string();
    assert!(error(&["a", "b"]).contains("two models are called net"));
    assert!(error(&["empty"]).contains("no model to serve"));
    assert!(error(&["c"]).contains("no such file or folder"));
    let broken = bind(&["broken.safetensors"]).unwrap().run().unwrap_err().to_string();
    assert!(broken.contains("broken.safetensors"), "{broken}");
    let first = bind(&["a"]).unwrap();
    let mut taken = options(&[&folder.argument("b")]);
    taken.port = first.address().port();
    assert!(Server::bind(taken).err().unwrap().to_string().contains("choose another --port"));
}
