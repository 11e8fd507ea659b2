//! C programs against the library: compiled here with the system's C compiler, as its users compile theirs.

mod header;
mod programs;

use facade::format::model_file::ModelFile;
use facade::models::{self, Spec};
use facade::nn::{Strictness, load_state_dict, state_dict};
use facade::onnx::Export;
use facade::prelude::*;
use facade::{Execution, Meta, Predictor, Trained, random};
use programs::{Folder, compiler};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small model with convolutions and batch normalization, as `hadal train` writes it.
fn trained(folder: &Folder) -> PathBuf {
    random::manual_seed(7);
    let spec = Spec { input: vec![1, 12, 12], outputs: 3 };
    let model = models::build("cnn", &spec).unwrap();
    // Running statistics as after some training, so that folding them changes something.
    model.train();
    model.forward(&Tensor::randn([16, 1, 12, 12]).mul(3.0).add(1.0));
    let file = ModelFile {
        architecture: json!({ "name": "cnn", "input": [1, 12, 12], "outputs": 3 }),
        labels: ["tern", "gull", "skua"].map(String::from).to_vec(),
        preprocessing: json!({ "kind": "image", "channels": 1, "height": 12, "width": 12, "mean": [0.5], "std": [0.25] }),
        manifest: json!({}),
        compression: json!(null),
        tensors: state_dict(&*model),
    };
    let path = folder.file("birds.safetensors");
    file.write(&path).unwrap();
    path
}

/// An ONNX model of one input `[any, 4]`.
fn onnx(folder: &Folder) -> PathBuf {
    random::manual_seed(9);
    let model = Sequential::new().add(Linear::new(4, 5)).add(Tanh).add(Linear::new(5, 2));
    let export = Export::new([("numbers", Meta::new([3, 4], DType::F32))]).outputs(["scores"]).dynamic_batch();
    let path = folder.file("dense.onnx");
    export.to_file(&path, &|x| Ok(vec![no_grad(|| model.forward(&x[0]))])).unwrap();
    path
}

/// What `run.c` prints for an input.
fn run(folder: &Folder, program: &Path, model: &Path, execution: &str, input: &Tensor) -> String {
    let data = folder.file("input.bin");
    std::fs::write(&data, input.to_bytes()).unwrap();
    let shape = input.shape().iter().map(usize::to_string);
    let output = Command::new(program).arg(model).arg(execution).arg(&data).args(shape).output().unwrap();
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The line of `run.c` for the bits of a tensor.
fn bits(tensor: &Tensor) -> String {
    let bits: Vec<String> = tensor.to_vec::<f32>().iter().map(|x| format!("{:08x}", x.to_bits())).collect();
    format!("bits {}", bits.join(" "))
}

#[test]
fn c_programs_get_the_numbers_that_rust_gets() {
    let Some(compiler) = compiler() else { return };
    let folder = Folder::new("numbers");
    let program = compiler.build(&folder, include_str!("programs/run.c"), "run", &["-pthread"]);

    let path = trained(&folder);
    let input = Tensor::randn([2, 1, 12, 12]);
    let eager = Trained::read(&path).unwrap();
    let logits = eager.forward(&input).unwrap();
    let probabilities = no_grad(|| eager.prediction(&logits));
    let expected = [
        "input input dtype 1: -1 1 12 12".to_owned(),
        "output dtype 1: 2 3".to_owned(),
        bits(&probabilities),
        "output dtype 1: 2 3".to_owned(),
        bits(&logits),
    ];
    assert_eq!(run(&folder, &program, &path, "1", &input).lines().collect::<Vec<_>>(), expected, "HADAL_EXACT");

    // Folded batch normalization rounds otherwise, and only that.
    let inference = Predictor::load(&path, Execution::Inference).unwrap().run(std::slice::from_ref(&input)).unwrap();
    let found = run(&folder, &program, &path, "0", &input);
    assert!(found.contains(&bits(&inference[0])) && found.contains(&bits(&inference[1])), "{found}");
    assert_ne!(bits(&inference[1]), bits(&logits));
    let largest = inference[1].sub(&logits).abs().amax(..).item::<f32>();
    assert!(largest < 1e-5, "{largest}");

    let path = onnx(&folder);
    let input = Tensor::randn([5, 4]);
    let model = facade::onnx::Model::load(&path).unwrap();
    let scores = no_grad(|| model.run(&[("numbers", input.clone().into())])).unwrap();
    let expected =
        ["input numbers dtype 1: -1 4".to_owned(), "output dtype 1: 5 2".to_owned(), bits(scores[0].tensor().unwrap())];
    for execution in ["0", "1"] {
        assert_eq!(run(&folder, &program, &path, execution, &input).lines().collect::<Vec<_>>(), expected);
    }
}

/// Every line that `hostile.c` prints, in order: the status and what the message must say.
const HOSTILE: [(&str, &str); 33] = [
    ("1", "path is NULL"),
    ("1", "model is NULL"),
    ("1", "execution is HADAL_INFERENCE (0) or HADAL_EXACT (1), got 7"),
    ("2", "no/such/file.onnx: cannot be read"),
    ("1", "the path is not UTF-8"),
    ("2", "damaged.onnx: is no ONNX model"),
    ("1", "data is NULL"),
    ("2", "ONNX model"),
    ("1", "data cannot have 18446744073709551615 bytes"),
    ("1", "there is no index 1: the model has 1 inputs, counted from 0"),
    ("1", "port is NULL"),
    ("1", "model is NULL"),
    ("1", "model is NULL"),
    ("1", "inputs is NULL"),
    ("1", "outputs is NULL"),
    ("1", "the model takes 1 inputs [\"numbers\"], got 0"),
    ("1", "input `numbers`: data is NULL"),
    ("1", "input `numbers`: float [2, 4] takes 32 bytes, got 28"),
    ("1", "input `numbers`: there is no dtype 99; hadal.h lists them"),
    ("1", "input `numbers` is float [any, 4]; got int32 [2, 4]"),
    ("1", "input `numbers`: double [2, 4] takes 64 bytes, got 32"),
    ("1", "input `numbers`: shape is NULL"),
    ("1", "input `numbers`: float [2, 5] takes 40 bytes, got 32"),
    ("1", "input `numbers` is float [any, 4]; got float [2, 5]"),
    ("1", "input `numbers`: the shape [-2, -4] has a size below 0"),
    ("1", "takes more bytes than memory has, got 32"),
    ("1", "input `numbers`: rank is 0 to 64, got -1"),
    ("1", "input `numbers`: rank is 0 to 64, got 1000000"),
    ("1", "input `numbers` is float [any, 4]; got float [2]"),
    ("1", "there is no index 1: the model gave 1 outputs, counted from 0"),
    ("1", "tensor is NULL"),
    ("1", "outputs is NULL"),
    ("1", "output 0 has 16 bytes, the buffer 4"),
];

#[test]
fn whatever_a_caller_does_wrong_is_an_error_that_says_so() {
    let Some(compiler) = compiler() else { return };
    let folder = Folder::new("hostile");
    let program = compiler.build(&folder, include_str!("programs/hostile.c"), "hostile", &[]);
    let damaged = folder.file("damaged.onnx");
    std::fs::write(&damaged, "this is no model").unwrap();
    let output = Command::new(program).arg(onnx(&folder)).arg(damaged).output().unwrap();
    let (found, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}: {found}{errors}", output.status);
    assert_eq!(errors, "", "no panic");
    let mut lines = found.lines();
    assert_eq!(lines.next(), Some("[]"), "no error before the first one");
    for (status, words) in HOSTILE {
        let line = lines.next().unwrap_or_default();
        let (found, message) = line.split_once(' ').unwrap_or_default();
        assert!(found == status && message.contains(words), "{line:?} should be {status} {words:?}");
    }
    assert_eq!(lines.next(), Some("1 buffer is NULL"));
    assert_eq!(lines.next(), None);
}

#[test]
fn the_program_of_the_document_runs() {
    let Some(compiler) = compiler() else { return };
    let document = include_str!("../../../docs/c-api.md");
    let (_, rest) = document.split_once("```c\n").unwrap();
    let (text, _) = rest.split_once("```\n").unwrap();
    let folder = Folder::new("document");
    let program = compiler.build(&folder, text, "document", &[]);
    let output = Command::new(&program).arg(trained(&folder)).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = found.lines().collect();
    assert!(lines[0].starts_with(concat!("hadal ", env!("CARGO_PKG_VERSION"), ", ")), "{found}");
    assert_eq!(lines[1], "input: -1 1 12 12");
    let named = ["tern", "gull", "skua"].iter().any(|label| lines[2].ends_with(&format!(": {label}")));
    assert!(lines[2].starts_with("probabilities: 3 numbers, the largest is 0.") && named, "{found}");
    let output = Command::new(&program).arg("missing.onnx").output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("missing.onnx: cannot be read"));
}

/// Weights come back as they were written, although the model was built without drawing any.
#[test]
fn pixels_go_through_the_preprocessing() {
    let folder = Folder::new("pixels");
    let path = trained(&folder);
    let predictor = Predictor::load(&path, Execution::Exact).unwrap();
    let pixels = Tensor::arange(144).reshape([1, 1, 12, 12]).to_dtype(DType::U8);
    let prepared = pixels.to_dtype(DType::F32).div(255.0).sub(0.5).div(0.25);
    let [from_pixels, from_numbers] =
        [&pixels, &prepared].map(|input| predictor.run(std::slice::from_ref(input)).unwrap()[1].to_vec::<f32>());
    from_pixels.iter().zip(&from_numbers).for_each(|(a, b)| assert!((a - b).abs() < 1e-5, "{a} {b}"));

    let again = models::build("cnn", &Spec { input: vec![1, 12, 12], outputs: 3 }).unwrap();
    let stored = ModelFile::read(&path).unwrap().tensors;
    load_state_dict(&*again, &stored, Strictness::Strict).unwrap();
    again.eval();
    let expected = no_grad(|| again.forward(&prepared)).to_vec::<f32>();
    assert_eq!(from_numbers, expected);
}
