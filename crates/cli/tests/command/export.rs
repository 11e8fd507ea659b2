//! `hadal export` and `hadal graph`: the files that they write.

use super::{Folder, exists, words};
use hadal::onnx::{Dimension, Model, Type};

/// A model trained for one epoch on a few tables.
fn trained(folder: &Folder) {
    let rows: String = (0..40).map(|i| format!("{},{},{}\n", i % 7, i % 3, ["no", "yes"][i % 2])).collect();
    folder.write("table.csv", format!("a,b,kind\n{rows}"));
    let arguments = ["train", "csv", "--data", "DIR/table.csv", "--epochs", "1", "--out", "DIR/run"];
    let output = folder.run(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_trained_model_is_written_and_verified() {
    let folder = Folder::new("export");
    trained(&folder);
    let arguments = ["export", "DIR/run/model.safetensors", "-o", "DIR/model.onnx", "--dynamic-batch", "--verify"];
    let output = folder.run(&arguments);
    assert_eq!(words(&output, &folder), (Some(0), String::new()));
    let said = folder.unplaced(&output.stdout);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 3, "{said}");
    assert!(lines[0].ends_with("written to DIR/model.onnx"), "{said}");
    assert!(lines[1].starts_with("read again by Hadal, 1 sample: max |Δ| "), "{said}");
    assert!(lines[2].starts_with("read again by Hadal, 3 samples: max |Δ| "), "{said}");
    let model = Model::load(folder.0.join("model.onnx")).unwrap();
    let Some(Type::Tensor { shape: Some(shape), .. }) = &model.inputs()[0].r#type else { panic!("no shape") };
    assert_eq!(shape[0], Dimension::Named("batch".into()));
    let stored = |key: &str| model.metadata().iter().find(|(found, _)| found == key).map(|(_, text)| text.as_str());
    assert_eq!(stored("hadal.labels"), Some(r#"["no","yes"]"#));
    assert!(stored("hadal.preprocessing").unwrap().starts_with(r#"{"kind":"table","encoder":"#));
    assert!(stored("hadal.manifest").unwrap().contains(r#""recipe":"#));
    assert_eq!(model.outputs()[0].name, "logits");
    for source in ["DIR/run/model.safetensors", "DIR/model.onnx"] {
        let output = folder.run(&["graph", source, "-o", "DIR/graph.svg"]);
        assert_eq!(words(&output, &folder), (Some(0), String::new()), "{source}");
        assert!(exists(&folder.0.join("graph.svg")), "{source}");
        std::fs::remove_file(folder.0.join("graph.svg")).unwrap();
    }
}

#[test]
fn a_graph_is_drawn_or_printed() {
    let folder = Folder::new("graph");
    let output = folder.run(&["graph", "cnn"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.starts_with("(in0: f32 [1, 1, 28, 28]) {") && said.contains("conv2d("), "{said}");
    let output = folder.run(&["graph", "cnn", "-o", "DIR/cnn.dot"]);
    assert_eq!(words(&output, &folder), (Some(0), String::new()));
    let dot = std::fs::read_to_string(folder.0.join("cnn.dot")).unwrap();
    assert!(dot.starts_with("digraph {") && dot.contains("conv2d"), "{dot}");
    let output = folder.run(&["graph", "cnn", "-o", "DIR/cnn.png"]);
    let expected = "error: DIR/cnn.png: names no kind of picture: use .svg, or .dot for Graphviz";
    assert_eq!(words(&output, &folder), (Some(1), expected.to_owned()));
}

#[test]
fn onnxruntime_is_asked_if_there_is_a_python() {
    let folder = Folder::new("export-python");
    trained(&folder);
    let mut arguments = vec!["export", "DIR/run/model.safetensors", "-o", "DIR/model.onnx", "--verify"];
    arguments.extend(["--python", "DIR/no-such-python"]);
    let (status, said) = words(&folder.run(&arguments), &folder);
    assert_eq!(status, Some(1));
    assert!(said.starts_with("error: DIR/no-such-python: cannot be run: "), "{said}");
    let output = folder.run(&["export", "DIR/run/model.safetensors", "-o", "DIR/no-such-folder/model.onnx"]);
    let (status, said) = words(&output, &folder);
    assert_eq!(status, Some(1));
    assert!(said.starts_with("error: DIR/no-such-folder/model.onnx: cannot be written: "), "{said}");
}
