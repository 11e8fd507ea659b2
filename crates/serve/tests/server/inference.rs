//! Answers: equal to local inference bit for bit, whatever the encoding and the batch.

use super::models::{Folder, export, image, images, request, write_images, write_table};
use super::{options, start};
use hadal::data::image::{self, Channels};
use hadal::{Tensor, Trained};
use hadal_serve::{Batching, Options, Rounding, Server};
use serde_json::{Value, json};
use std::time::Duration;

fn floats(values: &Value) -> Vec<f32> {
    serde_json::from_value::<Vec<f64>>(values.clone()).unwrap().into_iter().map(|x| x as f32).collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn json_and_binary_give_the_bits_of_local_inference() {
    let folder = Folder::new();
    write_images(&folder.path("net.safetensors"), 1);
    let exact = Options { rounding: Rounding::Exact, ..options(&[&folder.argument("net.safetensors")]) };
    let server = start(Server::bind(exact).unwrap());
    let local = Trained::read(folder.path("net.safetensors")).unwrap();
    let x = images(3);
    let logits = local.forward(&x).unwrap();
    let probabilities = local.prediction(&logits);
    let mut client = server.client();

    let answer =
        client.post("/v2/models/net/infer", request(&x, json!([{ "name": "logits" }, { "name": "probabilities" }])));
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let answer = answer.json();
    assert_eq!((&answer["model_name"], &answer["model_version"]), (&json!("net"), &json!("1")));
    assert_eq!(answer["outputs"][0]["shape"], json!([3, 3]));
    assert_eq!(bits(&floats(&answer["outputs"][0]["data"])), bits(&logits.to_vec()));
    assert_eq!(bits(&floats(&answer["outputs"][1]["data"])), bits(&probabilities.to_vec()));

    // Nested, with an id, and all outputs as nothing else is said.
    let rows: Vec<Value> = x.to_vec::<f32>().chunks(8).map(|row| json!(row)).collect();
    let nested: Vec<Value> = rows.chunks(8).map(|rows| json!([rows])).collect();
    let input = json!({ "name": "input", "shape": [3, 1, 8, 8], "datatype": "FP32", "data": nested });
    let answer =
        client.post("/v2/models/net/versions/1/infer", json!({ "id": "q\"7", "inputs": [input] }).to_string()).json();
    assert_eq!(answer["id"], "q\"7");
    let names: Vec<&Value> = answer["outputs"].as_array().unwrap().iter().map(|output| &output["name"]).collect();
    assert_eq!(names, ["probabilities", "logits"]);
    assert_eq!(bits(&floats(&answer["outputs"][1]["data"])), bits(&logits.to_vec()));

    // Binary in and out.
    let bytes = x.to_bytes();
    let input = json!({ "name": "input", "shape": [3, 1, 8, 8], "datatype": "FP32", "parameters": { "binary_data_size": bytes.len() } });
    let head = json!({ "inputs": [input], "outputs": [{ "name": "logits", "parameters": { "binary_data": true } }] })
        .to_string();
    let length = head.len().to_string();
    let headers = [("inference-header-content-length", length.as_str())];
    let answer = client.post_with("/v2/models/net/infer", &headers, [head.as_bytes(), &bytes].concat());
    let length: usize = answer.header("inference-header-content-length").unwrap().parse().unwrap();
    let (head, data) = answer.body.split_at(length);
    let head: Value = serde_json::from_slice(head).unwrap();
    assert_eq!(head["outputs"][0]["parameters"]["binary_data_size"], 36);
    assert_eq!(data, logits.to_bytes());

    // The whole body is the input.
    let answer = client.post_with("/v2/models/net/infer", &[("inference-header-content-length", "0")], image(40, 20));
    let length: usize = answer.header("inference-header-content-length").unwrap().parse().unwrap();
    let read = image::decode(&image(40, 20), Channels::Grey, 1 << 20).unwrap().tensor();
    let (_, pipeline) = local.preprocessing.image().unwrap();
    let expected = local.forward(&pipeline.apply(&read, 0, 0, 0).unwrap().unsqueeze(0)).unwrap();
    assert_eq!(answer.body[length + 12..], expected.to_bytes());

    // TensorFlow Serving's way.
    let answer = client.post("/v1/models/net:predict", json!({ "instances": nested }).to_string()).json();
    let predictions: Vec<f32> = answer["predictions"].as_array().unwrap().iter().flat_map(floats).collect();
    assert_eq!(bits(&predictions), bits(&probabilities.to_vec()));

    // Bytes of pixels are prepared as in training.
    let pixels = Tensor::from_vec((0..64).map(|i| (i * 3) as u8).collect(), [1, 8, 8]);
    let expected = local.forward(&pipeline.apply(&pixels, 0, 0, 0).unwrap().unsqueeze(0)).unwrap();
    let input = json!({ "name": "input", "shape": [1, 1, 8, 8], "datatype": "UINT8", "data": pixels.to_vec::<u8>() });
    let answer = client.post("/v2/models/net/infer", json!({ "inputs": [input] }).to_string()).json();
    assert_eq!(bits(&floats(&answer["outputs"][1]["data"])), bits(&expected.to_vec()));
}

#[test]
fn images_are_classified() {
    let folder = Folder::new();
    write_images(&folder.path("net/model.safetensors"), 1);
    let server = start(Server::bind(options(&[&folder.argument("net")])).unwrap());
    let mut client = server.client();
    let answer = client.post("/v2/models/net/classify?top=2", image(9, 9)).json();
    let ranked = answer["probabilities"].as_array().unwrap();
    assert_eq!((ranked.len(), &answer["label"]), (2, &ranked[0]["label"]));
    assert!(ranked[0]["probability"].as_f64() > ranked[1]["probability"].as_f64());
    assert_eq!(client.post("/predictions/net?top=2", image(9, 9)).json(), answer);
    // The protocol's extension says the same.
    let input = json!({ "name": "input", "shape": [2], "datatype": "BYTES", "parameters": { "binary_data_size": 8 + 2 * image(9, 9).len() } });
    let output = json!({ "name": "probabilities", "parameters": { "classification": 2 } });
    let mut body = json!({ "inputs": [input], "outputs": [output] }).to_string().into_bytes();
    let length = body.len().to_string();
    for _ in 0..2 {
        body.extend((image(9, 9).len() as u32).to_le_bytes());
        body.extend(image(9, 9));
    }
    let answer = client.post_with("/v2/models/net/infer", &[("inference-header-content-length", &length)], body).json();
    let output = &answer["outputs"][0];
    assert_eq!((&output["datatype"], &output["shape"]), (&json!("BYTES"), &json!([2, 2])));
    let first = output["data"][0].as_str().unwrap();
    let p = ranked[0]["probability"].as_f64().unwrap();
    let label = ranked[0]["label"].as_str().unwrap();
    let index = ["cat", "dog", "eel"].iter().position(|known| *known == label).unwrap();
    assert_eq!(first, format!("{p:.6}:{index}:{label}"));
    assert_eq!(output["data"][2], output["data"][0]);

    assert!(client.post("/v2/models/net/classify", "text").error(400).contains("neither PNG nor JPEG"));
    assert!(client.post("/v2/models/net/classify", "").error(400).contains("the body is empty"));
    assert!(client.post("/v2/models/net/classify?top=0", image(9, 9)).error(400).contains("`top`"));
}

#[test]
fn tables_are_sent_by_column() {
    let folder = Folder::new();
    write_table(&folder.path("income.safetensors"));
    let server = start(Server::bind(options(&[&folder.argument("income.safetensors")])).unwrap());
    let local = Trained::read(folder.path("income.safetensors")).unwrap();
    let features = Tensor::from([[-1.0f32, 0.0, 1.0], [1.5, 1.0, 0.0], [0.0, 0.0, 0.0]]);
    let expected = local.prediction(&local.forward(&features).unwrap());
    let mut client = server.client();
    let age = json!({ "name": "age", "shape": [3], "datatype": "FP64", "data": [30, 55, null] });
    let job = json!({ "name": "job", "shape": [3], "datatype": "BYTES", "data": ["cook", "clerk", "pilot"] });
    let answer = client.post("/v2/models/income/infer", json!({ "inputs": [job, age] }).to_string()).json();
    assert_eq!(answer["outputs"][0]["name"], "prediction");
    assert_eq!(bits(&floats(&answer["outputs"][0]["data"])), bits(&expected.to_vec()));

    let short = json!({ "name": "job", "shape": [1], "datatype": "BYTES", "data": ["cook"] });
    let error = client.post("/v2/models/income/infer", json!({ "inputs": [short, age] }).to_string()).error(400);
    assert_eq!(error, "model \"income\": input \"age\" has 3 samples, but \"job\" has 1");
    let error = client.post("/v2/models/income/infer", json!({ "inputs": [age] }).to_string()).error(400);
    assert_eq!(error, "model \"income\": input \"job\" is missing; it is BYTES of shape [-1]");
    assert!(client.post("/v2/models/income/classify", "x").error(400).contains("takes no images but age, job"));
}

#[test]
fn a_sample_has_the_same_bits_in_any_batch() {
    let folder = Folder::new();
    write_images(&folder.path("net.safetensors"), 3);
    export(&folder.path("net.safetensors"), &folder.path("net.onnx"), true);
    for file in ["net.safetensors", "net.onnx"] {
        for rounding in [Rounding::Exact, Rounding::Inference] {
            in_any_batch(&folder, file, rounding);
        }
    }
}

fn in_any_batch(folder: &Folder, file: &str, rounding: Rounding) {
    let batching = Batching { max_batch: 13, delay: Duration::from_millis(300), queue: 64 };
    let options = Options { rounding, batching, ..options(&[&folder.argument(file)]) };
    let server = start(Server::bind(options).unwrap());
    let local = Trained::read(folder.path("net.safetensors")).unwrap();
    let x = images(28);
    let ask = |client: &mut super::Client, start, length| {
        let body = request(&x.narrow(0, start, length), json!([{ "name": "logits" }]));
        floats(&client.post("/v2/models/net/infer", body).json()["outputs"][0]["data"])
    };
    // Requests of 1, 2, … samples at once, the last of more than a batch may have.
    let parts = [(0, 1), (1, 2), (3, 1), (4, 4), (8, 5), (13, 15)];
    let answers: Vec<Vec<f32>> = std::thread::scope(|scope| {
        let ask = |(start, length)| {
            let mut client = server.client();
            move || ask(&mut client, start, length)
        };
        let threads: Vec<_> = parts.iter().map(|&part| scope.spawn(ask(part))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let metrics = String::from_utf8(server.client().get("/metrics").body).unwrap();
    let count = |name: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)).expect("it is counted");
        line.trim().parse::<f64>().unwrap()
    };
    assert_eq!(count("hadal_batch_samples_sum{model=\"net\"}"), 28.0);
    assert!(count("hadal_batch_samples_count{model=\"net\"}") < 6.0, "no batch was shared\n{metrics}");
    assert_eq!(count("hadal_requests_total{model=\"net\",code=\"200\"}"), 6.0);
    let mut client = server.client();
    for ((start, length), answer) in parts.into_iter().zip(answers) {
        for sample in 0..length {
            let got = &answer[3 * sample..][..3];
            let alone = ask(&mut client, start + sample, 1);
            assert_eq!(bits(got), bits(&alone), "{file}, {rounding:?}, sample {}", start + sample);
            let expected = local.forward(&x.narrow(0, start + sample, 1)).unwrap().to_vec::<f32>();
            let apart = got.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(apart < 1e-6, "{file}, {rounding:?}: {apart}");
            if rounding == Rounding::Exact && file == "net.safetensors" {
                assert_eq!(bits(got), bits(&expected), "sample {}", start + sample);
            }
        }
    }
}

#[test]
fn labels_and_preprocessing_come_with_an_onnx_file() {
    let folder = Folder::new();
    write_images(&folder.path("net.safetensors"), 1);
    export(&folder.path("net.safetensors"), &folder.path("exported.onnx"), true);
    // From elsewhere, without a word in the file but with files beside it.
    export(&folder.path("net.safetensors"), &folder.path("foreign/model.onnx"), false);
    std::fs::write(folder.path("foreign/labels.txt"), "cat\ndog\neel\n").unwrap();
    let preprocessing = r#"{"kind": "image", "channels": 1, "height": 8, "width": 8, "mean": [0.4], "std": [0.3]}"#;
    std::fs::write(folder.path("foreign/preprocessing.json"), preprocessing).unwrap();
    let server = start(Server::bind(options(&[&folder.argument("")])).unwrap());
    let mut client = server.client();
    let expected = client.post("/v2/models/net/classify", image(40, 20)).json();
    for name in ["exported", "foreign"] {
        let about = client.get(&format!("/v2/models/{name}")).json();
        assert_eq!((&about["platform"], &about["parameters"]["images"]), (&json!("onnx"), &json!(true)));
        assert_eq!(about["inputs"][0]["parameters"]["also"][1], json!({ "datatype": "BYTES", "shape": [-1] }));
        let outputs: Vec<&Value> = about["outputs"].as_array().unwrap().iter().map(|output| &output["name"]).collect();
        assert_eq!(outputs, ["probabilities", "logits"]);
        let answer = client.post(&format!("/v2/models/{name}/classify"), image(40, 20)).json();
        assert_eq!(answer["label"], expected["label"]);
        let pairs =
            answer["probabilities"].as_array().unwrap().iter().zip(expected["probabilities"].as_array().unwrap());
        for (a, b) in pairs {
            let p = |entry: &Value| entry["probability"].as_f64().unwrap();
            assert_eq!(a["label"], b["label"]);
            assert!((p(a) - p(b)).abs() < 1e-6, "{name}: {a} {b}");
        }
        // The protocol's extension, with a whole body as the input.
        let input = json!({ "name": "input", "shape": [1, 1, 8, 8], "datatype": "UINT8", "data": vec![7; 64] });
        let output = json!({ "name": "probabilities", "parameters": { "classification": 1 } });
        let body = json!({ "inputs": [input], "outputs": [output] }).to_string();
        let answer = client.post(&format!("/v2/models/{name}/infer"), body).json();
        let text = answer["outputs"][0]["data"][0].as_str().unwrap();
        let (value, index, label) = (text.split(':').next(), text.split(':').nth(1), text.split(':').nth(2));
        assert!(value.unwrap().parse::<f32>().unwrap() > 1.0 / 3.0, "{text}");
        assert_eq!(label, index.map(|index| ["cat", "dog", "eel"][index.parse::<usize>().unwrap()]));
    }
    // What does not fit is said when the model is loaded.
    std::fs::write(folder.path("foreign/labels.txt"), "cat\ndog\n").unwrap();
    let error = client.post("/v2/repository/models/foreign/load", "").error(400);
    assert!(error.contains("has 2 labels, but no output with that many classes: \"logits\": FP32"), "{error}");
    assert!(client.post("/v2/models/foreign/classify", image(9, 9)).json()["label"].is_string());
}

#[test]
fn what_there_is_to_know() {
    let folder = Folder::new();
    write_images(&folder.path("all/net/1/model.safetensors"), 1);
    write_images(&folder.path("all/net/3/model.safetensors"), 2);
    write_table(&folder.path("all/income/model.safetensors"));
    let server = start(Server::bind(options(&[&folder.argument("all")])).unwrap());
    let mut client = server.client();
    assert_eq!(client.get("/v2/health/live").json(), json!({ "live": true }));
    assert_eq!(client.get("/ping").json(), json!({ "live": true, "ready": true }));
    let extensions = client.get("/v2").json()["extensions"].clone();
    assert!(extensions.as_array().unwrap().contains(&json!("binary_tensor_data")));
    let metadata = client.get("/v2/models/net").json();
    assert_eq!(metadata["versions"], json!(["1", "3"]));
    assert_eq!(metadata["inputs"][0]["shape"], json!([-1, 1, 8, 8]));
    assert_eq!(metadata["inputs"][0]["parameters"]["also"][1], json!({ "datatype": "BYTES", "shape": [-1] }));
    assert_eq!(metadata["outputs"][0], json!({ "name": "probabilities", "datatype": "FP32", "shape": [-1, 3] }));
    let config = client.get("/v2/models/income/config").json();
    assert_eq!(config["input"][1], json!({ "name": "job", "data_type": "TYPE_STRING", "dims": [] }));
    assert_eq!(client.get("/v2/models/net/versions/3/ready").json(), json!({ "name": "net", "ready": true }));
    let error = client.get("/v2/models/net/versions/2/ready").error(404);
    assert_eq!(error, "model \"net\" has no version \"2\"; there is 1, 3");
    let index = client.post("/v2/repository/index", "{\"ready\": true}").json();
    let lines: Vec<(&str, &str)> = index
        .as_array()
        .unwrap()
        .iter()
        .map(|line| (line["name"].as_str().unwrap(), line["version"].as_str().unwrap()))
        .collect();
    assert_eq!(lines, [("income", "1"), ("net", "1"), ("net", "3")]);
    // Without a version, the highest answers.
    let x = images(1);
    let logits = |client: &mut super::Client, path: &str| {
        client.post(path, request(&x, json!([{ "name": "logits" }]))).json()["outputs"][0]["data"].clone()
    };
    let newest = logits(&mut client, "/v2/models/net/infer");
    assert_eq!(newest, logits(&mut client, "/v2/models/net/versions/3/infer"));
    assert_ne!(newest, logits(&mut client, "/v2/models/net/versions/1/infer"));
    // The document and the page.
    assert_eq!(client.get("/openapi.json").json()["openapi"], "3.1.0");
    let page = client.get("/");
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.header("content-security-policy").unwrap().contains("default-src 'none'"));
}

/// A model of `fixtures/onnx`, and what onnxruntime makes of its recorded input.
#[test]
fn onnx_models_answer_as_in_onnxruntime() {
    let fixture = |name: &str| format!("{}/../../fixtures/onnx/{name}", env!("CARGO_MANIFEST_DIR"));
    let server = start(
        Server::bind(options(&[&fixture("mlp.onnx"), &fixture("external.onnx"), &fixture("lstm.onnx")])).unwrap(),
    );
    let mut client = server.client();
    let arrays = hadal::format::npz::read(fixture("mlp.npz")).unwrap();
    let (x, expected) = (&arrays["in.x"], &arrays["out.p"]);
    let metadata = client.get("/v2/models/mlp").json();
    assert_eq!((&metadata["platform"], &metadata["inputs"][0]["shape"]), (&json!("onnx"), &json!([-1, 4])));
    // The first axis is called N, and a sample's result does not depend on the others: requests may share a batch.
    assert_eq!(client.get("/v2/models/mlp/config").json()["max_batch_size"], 32);
    assert_eq!(client.get("/v2/models/lstm/config").json()["max_batch_size"], 0);
    let input = json!({ "name": "x", "shape": x.shape().to_vec(), "datatype": "FP32", "data": x.to_vec::<f32>() });
    let answer = client.post("/v2/models/mlp/infer", json!({ "inputs": [input] }).to_string()).json();
    assert_eq!(answer["outputs"][0]["shape"], json!(expected.shape().to_vec()));
    let got = floats(&answer["outputs"][0]["data"]);
    let error = got.iter().zip(expected.to_vec::<f32>()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(error < 2e-6, "{error}");
    let alone = json!({ "name": "x", "shape": [1, 4], "datatype": "FP32", "data": x.narrow(0, 1, 1).to_vec::<f32>() });
    let answer = client.post("/v2/models/mlp/infer", json!({ "inputs": [alone] }).to_string()).json();
    assert_eq!(bits(&floats(&answer["outputs"][0]["data"])), bits(&got[3..]));
    let wrong = json!({ "name": "x", "shape": [4], "datatype": "FP32", "data": [1, 2, 3, 4] });
    let error = client.post("/v2/models/mlp/infer", json!({ "inputs": [wrong] }).to_string()).error(400);
    assert!(error.contains("put a 1 before the shape"), "{error}");

    let unsupported = Server::bind(options(&[&fixture("unsupported.onnx")])).unwrap().run().unwrap_err().to_string();
    assert!(unsupported.contains("unsupported.onnx"), "{unsupported}");
}
