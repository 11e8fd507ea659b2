//! `hadal compress`: what it tries, what it chooses, and that the other commands can use what it writes.

use super::{Folder, exists, npy, words};
use serde_json::Value;
use std::process::Output;

/// The last line of standard output.
fn report(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(said.lines().last().unwrap_or_default()).unwrap_or_else(|e| panic!("{e}: {said}"))
}

#[test]
fn a_network_for_digits_becomes_smaller_and_stays_as_good() {
    let folder = Folder::new("compress");
    let train = ["train", "digits", "--epochs", "2", "--limit", "1500", "--out", "DIR/run"];
    assert!(folder.run(&train).status.success());
    let compress =
        ["compress", "DIR/run/model.safetensors", "-o", "DIR/small.safetensors", "--samples", "200", "--json"];
    let output = folder.run(&compress);
    assert_eq!(words(&output, &folder), (Some(0), String::new()));
    let told = report(&output);
    let candidate = |name: &str| {
        let all = told["candidates"].as_array().expect("candidates");
        all.iter().find(|candidate| candidate["method"] == name).unwrap_or_else(|| panic!("{name}: {told}")).clone()
    };
    let number = |name: &str, what: &str| candidate(name)[what].as_f64().expect("a number");
    assert_eq!(told["candidates"].as_array().map(Vec::len), Some(6));
    let size = number("f32", "bytes");
    for (name, most) in [("f16", 0.6), ("bf16", 0.6), ("int8-weights", 0.4), ("int8-static", 0.4)] {
        assert!(number(name, "bytes") < most * size && number(name, "drop") <= 0.01, "{name}: {told}");
    }
    let layers: Vec<&str> = told["layers"].as_array().unwrap().iter().filter_map(|l| l["reads"].as_str()).collect();
    assert!(layers.len() >= 3 && told["layers"][0]["error"].as_f64().unwrap() > 0.0, "{told}");
    let chosen = told["chosen"].as_str().expect("a choice");
    assert!(chosen.starts_with("int8"), "{told}");

    // What was measured is what the file gives.
    let output = folder.run(&["evaluate", "DIR/small.safetensors", "--json"]);
    assert_eq!(words(&output, &folder), (Some(0), String::new()));
    assert_eq!(report(&output)["test_accuracy"], candidate(chosen)["accuracy"]);
    folder.write("digit.npy", npy(&[1, 28, 28], &[0.25; 784]));
    let output = folder.run(&["predict", "DIR/small.safetensors", "DIR/digit.npy"]);
    assert_eq!(words(&output, &folder), (Some(0), String::new()));
    // Its weights are also those of a model of numbers.
    let output = folder.run(&["export", "DIR/small.safetensors", "-o", "DIR/small.onnx", "--verify"]);
    assert_eq!(words(&output, &folder), (Some(0), String::new()));

    let again = folder.run(&["compress", "DIR/small.safetensors"]);
    let expected = format!("error: DIR/small.safetensors: is compressed already ({chosen}): compress the original");
    assert_eq!(words(&again, &folder), (Some(1), expected));
}

#[test]
fn targets_that_cannot_be_met_are_an_error() {
    let folder = Folder::new("compress-targets");
    let rows: String = (0..200).map(|i| format!("{},{},{}\n", i % 7, i % 3, ["no", "yes"][i % 7 % 2])).collect();
    folder.write("table.csv", format!("a,b,kind\n{rows}"));
    let train = ["train", "csv", "--data", "DIR/table.csv", "--epochs", "3", "--out", "DIR/run"];
    assert!(folder.run(&train).status.success());
    let model = "DIR/run/model.safetensors";
    let arguments = ["compress", model, "-o", "DIR/small.safetensors", "--target-size", "200", "--max-drop", "100"];
    let output = folder.run(&arguments);
    let (status, said) = words(&output, &folder);
    assert_eq!(status, Some(1));
    let begins = "error: nothing that was tried loses at most 100.00 % and has at most 200 bytes; ";
    assert!(said.starts_with(begins) && said.ends_with("; --prune makes it smaller. No file was written"), "{said}");
    assert!(!exists(&folder.0.join("small.safetensors")));
    assert!(String::from_utf8_lossy(&output.stdout).contains("int8-dynamic"));

    // Pruned and trained on; the methods may be named.
    let arguments = [
        "compress",
        model,
        "-o",
        "DIR/small.safetensors",
        "--prune",
        "80",
        "--epochs",
        "2",
        "--methods",
        "int8-dynamic",
        "--max-drop",
        "100",
        "--json",
    ];
    let output = folder.run(&arguments);
    assert_eq!(words(&output, &folder), (Some(0), String::new()));
    let told = report(&output);
    let methods: Vec<&str> =
        told["candidates"].as_array().unwrap().iter().filter_map(|c| c["method"].as_str()).collect();
    assert_eq!(methods, ["f32", "int8-dynamic", "pruned int8-dynamic"], "{told}");
    assert_eq!(
        told["output"].as_str().map(|path| folder.unplaced(path.as_bytes())),
        Some("DIR/small.safetensors".into())
    );
    assert!(folder.run(&["evaluate", "DIR/small.safetensors"]).status.success());

    let output = folder.run(&["compress", model, "--methods", "int4"]);
    let expected = "error: no method is called `int4`; there are f16, bf16, int8-weights, int8-dynamic, int8-static";
    assert_eq!(words(&output, &folder), (Some(1), expected.to_owned()));
}
