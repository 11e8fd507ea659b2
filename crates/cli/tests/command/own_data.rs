//! Data that users bring: trained on, measured and predicted with the built program.

use super::{Folder, npy};
use hadal::Tensor;
use hadal::format::npz::{self, Compression};
use serde_json::Value;
use std::collections::BTreeMap;

/// Runs the program and returns the JSON object in its last line.
#[track_caller]
fn report(folder: &Folder, arguments: &[&str]) -> Value {
    let output = folder.run(&[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(String::from_utf8_lossy(&output.stdout).lines().last().unwrap()).unwrap()
}

/// Sixty images of 8 × 8 bytes, bright in the upper or the lower half, and the half.
fn halves(samples: usize) -> (Tensor, Tensor) {
    let bright = |i: usize| (i / 64) % 2 == (i % 64) / 32;
    let pixels = (0..64 * samples).map(|i| if bright(i) { 200 + (i % 50) as u8 } else { (i % 30) as u8 }).collect();
    let classes = (0..samples).map(|i| (i % 2) as u8).collect();
    (Tensor::from_vec::<u8>(pixels, [samples, 8, 8]), Tensor::from_vec::<u8>(classes, samples))
}

#[test]
fn images_in_an_npz_file() {
    let folder = Folder::new("npz");
    let ((x_train, y_train), (x_test, y_test)) = (halves(60), halves(20));
    let one = x_test.select(0, 1);
    let names = ["x_train", "y_train", "x_test", "y_test"].map(String::from);
    let arrays: BTreeMap<String, Tensor> = names.into_iter().zip([x_train, y_train, x_test, y_test]).collect();
    npz::write(folder.0.join("halves.npz"), &arrays, Compression::Deflated).unwrap();
    hadal::format::npy::write(folder.0.join("one.npy"), &one).unwrap();

    let trained = report(&folder, &["train", "npz", "--data", "DIR/halves.npz", "--epochs", "10", "--out", "DIR/run"]);
    assert_eq!(trained["test_accuracy"], 1.0, "{trained}");
    let measured = report(&folder, &["evaluate", "DIR/run/model.safetensors"]);
    assert_eq!((&measured["samples"], &measured["test_loss"]), (&20.into(), &trained["test_loss"]));
    let predicted = report(&folder, &["predict", "DIR/run/model.safetensors", "DIR/one.npy"]);
    assert_eq!(predicted["predictions"][0]["label"], "1", "{predicted}");
}

#[test]
fn numbers_in_npy_files() {
    let folder = Folder::new("npy");
    // Two outputs: the sum of the inputs, and their difference.
    let x: Vec<f32> = (0..80).map(|i| ((i * 7) % 11) as f32 / 11.0).collect();
    let y: Vec<f32> = x.chunks(2).flat_map(|x| [x[0] + x[1], x[0] - x[1]]).collect();
    folder.write("set/x.npy", npy(&[40, 2], &x));
    folder.write("set/y.npy", npy(&[40, 2], &y));
    folder.write("one.npy", npy(&[2], &[0.25, 0.5]));
    let trained =
        report(&folder, &["train", "npz", "--data", "DIR/set", "--epochs", "60", "--lr", "0.02", "--out", "DIR/run"]);
    assert!(trained["test_rmse"].as_f64().unwrap() < 0.1, "{trained}");
    // The same file given again is not new data: its test part counts.
    let again = report(&folder, &["evaluate", "DIR/run/model.safetensors", "--data", "DIR/set"]);
    assert_eq!((&again["samples"], &again["test_loss"]), (&8.into(), &trained["test_loss"]));
    let predicted = report(&folder, &["predict", "DIR/run/model.safetensors", "DIR/one.npy"]);
    let values: Vec<f64> = serde_json::from_value(predicted["predictions"][0]["values"].clone()).unwrap();
    assert!((values[0] - 0.75).abs() < 0.2 && (values[1] + 0.25).abs() < 0.2, "{values:?}");
}

#[test]
fn a_table_with_categories_and_gaps() {
    let folder = Folder::new("csv");
    let row = |i: usize| {
        let colour = ["red", "green", "?"][i % 3];
        let kind = if i % 40 < 20 { "low" } else { "high" };
        format!("{},{colour},{kind}\n", i % 40)
    };
    folder.write("t.csv", format!("size,colour,kind\n{}", (0..120).map(row).collect::<String>()));
    folder.write("new.csv", "kind,colour,size\nlow,blue,1\n\nhigh,red,39\nhigh,,38\n");
    folder.write("rows.csv", "size,colour\n2,red\n\n37,blue\n");
    let trained = report(&folder, &["train", "csv", "--data", "DIR/t.csv", "--epochs", "30", "--out", "DIR/run"]);
    assert!(trained["test_accuracy"].as_f64().unwrap() > 0.9, "{trained}");
    let measured = report(&folder, &["evaluate", "DIR/run/model.safetensors"]);
    assert_eq!((&measured["samples"], &measured["test_loss"]), (&24.into(), &trained["test_loss"]));
    // Other data counts whole, its columns in any order, with colours that were never seen.
    let other = report(&folder, &["evaluate", "DIR/run/model.safetensors", "--data", "DIR/new.csv"]);
    assert_eq!((&other["samples"], &other["test_accuracy"]), (&3.into(), &1.0.into()), "{other}");
    let predicted = report(&folder, &["predict", "DIR/run/model.safetensors", "DIR/rows.csv"]);
    let found: Vec<(&Value, &Value)> =
        predicted["predictions"].as_array().unwrap().iter().map(|p| (&p["line"], &p["label"])).collect();
    assert_eq!(found, [(&2.into(), &"low".into()), (&4.into(), &"high".into())], "{predicted}");
}

#[test]
fn a_table_with_semicolons() {
    let folder = Folder::new("semicolons");
    let rows: String = (0..40).map(|i| format!("{i};{}\n", if i < 20 { "low" } else { "high" })).collect();
    folder.write("t.csv", format!("size;kind\n{rows}"));
    let recipe =
        "[data]\nset = \"csv\"\ndelimiter = \";\"\ntest = 0.2\n[model]\nname = \"mlp\"\n[train]\nepochs = 30\n";
    folder.write("r.toml", recipe);
    let trained = report(&folder, &["train", "DIR/r.toml", "--data", "DIR/t.csv"]);
    assert!(trained["test_accuracy"].as_f64().unwrap() > 0.8, "{trained}");
}

#[test]
fn large_numbers_in_a_table() {
    let folder = Folder::new("numbers");
    // From 100,000 to 495,000, a straight line of the size.
    let rows: String = (0..80).map(|i| format!("{i},{}\n", 100_000 + 5000 * i)).collect();
    folder.write("t.csv", format!("size,price\n{rows}"));
    folder.write("rows.csv", "size\n40\n");
    let trained = report(&folder, &["train", "csv", "--data", "DIR/t.csv", "--epochs", "100", "--out", "DIR/run"]);
    // In the table's units; all prices have a standard deviation of 115,000.
    let error = trained["test_rmse"].as_f64().unwrap();
    assert!((100.0..20_000.0).contains(&error), "{trained}");
    let measured = report(&folder, &["evaluate", "DIR/run/model.safetensors"]);
    assert_eq!(measured["test_rmse"], trained["test_rmse"]);
    let predicted = report(&folder, &["predict", "DIR/run/model.safetensors", "DIR/rows.csv"]);
    let price = predicted["predictions"][0]["value"].as_f64().unwrap();
    assert!((price - 300_000.0).abs() < 30_000.0, "{price}");
}
