//! `hadal train --profile`: a table on standard output, and a timeline that a program can read.

use super::{Folder, exists};
use serde_json::Value;

#[test]
fn training_is_profiled() {
    let folder = Folder::new("profile");
    let rows: String = (0..40).map(|i| format!("{i},{}\n", if i < 20 { "low" } else { "high" })).collect();
    folder.write("t.csv", format!("a,kind\n{rows}"));
    let train = ["train", "csv", "--data", "DIR/t.csv", "--epochs", "3", "--batch-size", "20", "--json"];
    let run = |more: &[&str]| {
        let output = folder.run(&[&train[..], more].concat());
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{stdout}{}", String::from_utf8_lossy(&output.stderr));
        stdout
    };
    let plain = run(&[]);
    assert!(!plain.contains("GFLOP/s"));
    let stdout = run(&["--profile", "DIR/here.json"]);
    // Everything but the table is as it was, and the last line is still that for programs.
    let weights =
        |text: &str| serde_json::from_str::<Value>(text.lines().last().unwrap()).unwrap()["weights_sha256"].clone();
    assert_eq!(weights(&stdout), weights(&plain));
    let line = |start: &str| {
        // Rows are in the order of their times, and some names begin with others: a number follows the name.
        let counts = |rest: &str| rest.trim_start().starts_with(|c: char| c.is_ascii_digit());
        let found = stdout.lines().find(|line| line.strip_prefix(start).is_some_and(counts));
        found.unwrap_or_else(|| panic!("no line `{start}` in {stdout}")).split_whitespace().collect::<Vec<_>>()
    };
    let steps = 6;
    let layers = line("linear ")[1].parse::<usize>().unwrap() / steps;
    assert!(layers >= 1);
    assert_eq!(line("linear backward ")[2], (layers * steps).to_string());
    assert_eq!(line("next batch ")[2], steps.to_string());
    assert_eq!(line("optimizer Adam ")[2], steps.to_string());
    let trace: Value = serde_json::from_slice(&std::fs::read(folder.0.join("here.json")).unwrap()).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let count = |name: &str| events.iter().filter(|event| event["ph"] == "X" && event["name"] == name).count();
    assert_eq!((count("training step"), count("linear backward")), (steps, layers * steps));

    run(&["--out", "DIR/run", "--profile"]);
    assert!(exists(&folder.0.join("run/profile.json")) && exists(&folder.0.join("run/model.safetensors")));
}
