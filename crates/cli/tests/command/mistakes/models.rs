//! In model files, and in what models are given.

use super::check;
use crate::{Folder, npy};

#[test]
fn model_files() {
    let folder = Folder::new("models");
    let rows: String = (0..40).map(|i| format!("{i},{},{}\n", i % 7, if i < 20 { "low" } else { "high" })).collect();
    folder.write("t.csv", format!("a,b,kind\n{rows}"));
    folder.write("other.csv", "a,b,kind\n1,2,low\n\n2,3,middle\n");
    folder.write("fewer.csv", "a,kind\n1,low\n");
    folder.write("notes.txt", "hello, world: this is not a model");
    folder.write("x/x.npy", npy(&[20, 3], &[0.5; 60]));
    folder.write("x/y.npy", npy(&[20], &[0.5; 20]));
    folder.write("row.npy", npy(&[5], &[0.0; 5]));
    let plain = hadal::nn::state_dict(&hadal::nn::layers::Linear::new(4, 3));
    hadal::format::safetensors::write(folder.0.join("plain.safetensors"), &plain, &Default::default()).unwrap();
    let train = |arguments: &[&str]| {
        let output = folder.run(&[&["train"], arguments].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    train(&["csv", "--data", "DIR/t.csv", "--epochs", "1", "--out", "DIR/table"]);
    train(&["npz", "--data", "DIR/x", "--epochs", "1", "--out", "DIR/arrays"]);
    let (table, arrays) = ("DIR/table/model.safetensors", "DIR/arrays/model.safetensors");
    check(
        &folder,
        &[
            (
                "no file",
                &["evaluate", "DIR/nowhere.safetensors"],
                1,
                "error: DIR/nowhere.safetensors: cannot be read: No such file or directory (os error 2)",
            ),
            (
                "text as a model",
                &["evaluate", "DIR/notes.txt"],
                1,
                "error: DIR/notes.txt: claims a header of 8583909746840200552 bytes, but only 25 follow: it is \
                 truncated or not a safetensors file",
            ),
            (
                "plain weights as a model",
                &["predict", "DIR/plain.safetensors", "a.png"],
                1,
                "error: DIR/plain.safetensors: holds 2 tensors but no model: its metadata lacks \
                 `hadal.architecture`, which says how to build one; these are plain weights, to be loaded into a \
                 model that you name",
            ),
            (
                "a checkpoint as a model",
                &["evaluate", "DIR/table/checkpoint.safetensors"],
                1,
                "error: DIR/table/checkpoint.safetensors: is a checkpoint of a training run, not a model; `hadal train` writes \
                 model.safetensors beside it",
            ),
            (
                "a class that the model does not know",
                &["evaluate", table, "--data", "DIR/other.csv"],
                1,
                "error: DIR/other.csv: line 4: the target \"kind\" is \"middle\"; expected one of [\"high\", \
                 \"low\"]",
            ),
            (
                "a column too few",
                &["evaluate", table, "--data", "DIR/fewer.csv"],
                1,
                "error: DIR/fewer.csv: the table has no column `b`; it has a, kind",
            ),
            (
                "an image for a model of tables",
                &["predict", table, "DIR/a.png"],
                1,
                "error: DIR/a.png: the model takes rows of a table: give CSV files\nerror: 1 of 1 files could not be \
                 used",
            ),
            (
                "an array of another shape",
                &["predict", arrays, "DIR/row.npy"],
                1,
                "error: DIR/row.npy: has shape [5], the model takes [3]\nerror: 1 of 1 files could not be used",
            ),
            (
                "text for a model of arrays",
                &["predict", arrays, "DIR/notes.txt"],
                1,
                "error: DIR/notes.txt: the model takes arrays of shape [3], not images: give .npy files\nerror: 1 \
                 of 1 files could not be used",
            ),
            (
                "a file where a folder should be",
                &["train", "csv", "--data", "DIR/t.csv", "--out", "DIR/t.csv"],
                1,
                "error: DIR/t.csv: cannot be made a folder: File exists (os error 17)",
            ),
            (
                "going on with another model",
                &["train", "csv", "--data", "DIR/t.csv", "--out", "DIR/table", "--resume", "--optimizer", "sgd"],
                1,
                "error: DIR/table/checkpoint.safetensors: was saved with another optimizer: `1.bias.exp_avg` is in \
                 the file and not here (and 7 more)",
            ),
        ],
    );
}
