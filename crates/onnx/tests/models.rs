//! Small models with onnxruntime's results (`fixtures/onnx_models.py`), mistakes, and training.

use hadal_core::format::npz;
use hadal_core::{ModuleExt, Role, Tensor, no_grad};
use hadal_onnx::{CompiledModel, Model, Value};
use std::path::PathBuf;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/onnx").join(name)
}

fn load(name: &str) -> Model {
    Model::load(fixture(&format!("{name}.onnx"))).unwrap()
}

/// The recorded inputs of a model, in the order of its declaration.
fn inputs(name: &str, model: &Model) -> Vec<(String, Value)> {
    let arrays = npz::read(fixture(&format!("{name}.npz"))).unwrap();
    model.inputs().iter().map(|p| (p.name.clone(), arrays[&format!("in.{}", p.name)].clone().into())).collect()
}

fn run(model: &Model, inputs: &[(String, Value)]) -> hadal_core::Result<Vec<Value>> {
    let named: Vec<(&str, Value)> = inputs.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    no_grad(|| model.run(&named))
}

/// The largest difference from what onnxruntime computed.
fn difference(name: &str) -> f64 {
    let model = load(name);
    let recorded = npz::read(fixture(&format!("{name}.npz"))).unwrap();
    let outputs = run(&model, &inputs(name, &model)).unwrap();
    let mut worst = 0f64;
    for (port, output) in model.outputs().iter().zip(&outputs) {
        let (expected, got) = (&recorded[&format!("out.{}", port.name)], output.tensor().unwrap());
        assert_eq!((expected.shape(), expected.dtype()), (got.shape(), got.dtype()), "{name} {}", port.name);
        for (e, g) in expected.to_f64_vec().iter().zip(got.to_f64_vec()) {
            worst = worst.max((e - g).abs());
        }
    }
    worst
}

#[test]
fn results_are_those_of_onnxruntime() {
    for name in ["mlp", "cnn", "shapes", "control", "function", "lstm", "external", "regions"] {
        assert!(difference(name) < 2e-6, "{name}: {}", difference(name));
    }
    assert_eq!(difference("quantized"), 0.0);
}

/// Operators of `com.microsoft` and `ai.onnx.ml`. Among the quantized ones some products are real numbers.
#[test]
fn operators_of_other_domains_are_those_of_onnxruntime() {
    for name in ["contrib_float", "contrib_attention", "contrib_quantized", "learned", "supports"] {
        assert!(difference(name) < 5e-6, "{name}: {}", difference(name));
    }
}

/// As onnxruntime quantizes a network: its convolutions sum in integers and round once, ours do as the file says when the
/// model is run as it is, and as onnxruntime does in a graph for inference.
#[test]
fn quantized_networks_are_those_of_onnxruntime() {
    for name in ["qdq", "qdq_signed", "qoperator"] {
        let arrays = npz::read(fixture(&format!("{name}.npz"))).unwrap();
        let (x, y) = (Value::from(arrays["in.x"].clone()), &arrays["out.y"]);
        let step = arrays["step"].item::<f32>();
        let steps = |found: &Value| found.tensor().unwrap().sub(y).abs().amax(..).item::<f32>() / step;
        let found = |compiled: &CompiledModel| compiled.run(&[("x", x.clone())]).unwrap().remove(0);
        let eager = no_grad(|| load(name).run(&[("x", x.clone())])).unwrap().remove(0);
        assert!(steps(&eager) < 2.1, "{name}: {} steps", steps(&eager));
        let exact = load(name).compiled();
        assert_eq!(found(&exact).tensor().unwrap().to_vec::<f32>(), eager.tensor().unwrap().to_vec::<f32>(), "{name}");
        let inference = load(name).compiled_for_inference();
        assert!(steps(&found(&inference)) < 1.1, "{name}: {} steps for inference", steps(&found(&inference)));
        assert!(exact.is_traced() && inference.is_traced());
    }
}

/// A server runs one model on many threads.
#[test]
fn models_can_be_shared() {
    fn shared<T: Send + Sync>() {}
    shared::<Model>();
}

#[test]
fn ports_have_names_and_types() {
    let model = load("control");
    let shown = |ports: &[hadal_onnx::Port]| -> Vec<String> {
        ports.iter().map(|p| format!("{}: {}", p.name, p.r#type.as_ref().unwrap())).collect()
    };
    assert_eq!(shown(model.inputs()), ["x: tensor(float) [3]", "turns: tensor(int64) []"]);
    assert_eq!(shown(load("shapes").outputs()), ["y: tensor(float) [N, T, 2, 3]", "s: tensor(int64) [3]"]);
}

#[test]
fn all_unsupported_operators_are_listed_at_once() {
    let path = fixture("unsupported.onnx");
    let error = Model::load(&path).err().unwrap().to_string();
    let expected = "the model uses 3 operators that are not supported:
  com.example.Twist (the domain is unknown): 2 nodes: a, b
  ai.onnx.Attention (supported from version 23 of ai.onnx on, not 13): 1 node: d
  ai.onnx.Nothing (unknown operator): 1 node: y";
    assert_eq!(error, format!("{}: {expected}", path.display()));
}

#[test]
fn a_model_cannot_read_files_outside_of_its_folder() {
    let error = Model::load(fixture("escaping.onnx")).err().unwrap().to_string();
    assert!(error.ends_with("tensor `weight`: is in `../README.md`, which is not below the model's folder"), "{error}");
    let bytes = std::fs::read(fixture("external.onnx")).unwrap();
    let error = Model::from_bytes(bytes).err().unwrap().to_string();
    assert!(error.ends_with("is in another file, which cannot be found from bytes in memory"), "{error}");
}

#[test]
fn wrong_inputs_are_explained() {
    let model = load("mlp");
    let error = |inputs: &[(&str, Value)]| model.run(inputs).unwrap_err().to_string();
    let x = || Value::from(Tensor::zeros([2, 4]));
    assert_eq!(error(&[("y", x())]), "the model has no input `y`; its inputs are [\"x\"]");
    assert_eq!(error(&[]), "the model needs a value for [\"x\"]");
    assert_eq!(
        error(&[("x", Tensor::zeros([2, 5]).into())]),
        "input `x` expects tensor(float) [N, 4], got tensor(float) [2, 5]"
    );
    assert_eq!(
        error(&[("x", Tensor::arange(8).reshape([2, 4]).into())]),
        "input `x` expects tensor(float) [N, 4], got tensor(int64) [2, 4]"
    );
}

/// What converters of scikit-learn models end with: one map from class to score for each sample.
#[test]
fn maps_hold_the_scores_of_a_sample() {
    let model = load("classifier");
    assert_eq!(
        model.outputs()[1].r#type.as_ref().unwrap().to_string(),
        "sequence of map from int64 to tensor(float) []"
    );
    let outputs = model.run(&[("x", Tensor::from([[1.0f32, -1.0], [0.5, 2.0]]).into())]).unwrap();
    let Value::Sequence(maps) = &outputs[1] else { panic!("a sequence is expected") };
    let map = |i: usize| if let Value::Map(map) = &maps[i] { map.clone() } else { panic!("a map is expected") };
    assert_eq!(outputs[0].tensor().unwrap().to_vec::<i64>(), [3, 5]);
    assert_eq!(map(1).keys.tensor().unwrap().to_vec::<i64>(), [3, 5]);
    assert_eq!((map(0).values.to_vec::<f32>(), map(1).values.to_vec::<f32>()), (vec![1.0, -1.0], vec![0.5, 2.0]));
}

#[test]
fn compiled_models_give_the_same_bits() {
    for name in ["mlp", "cnn", "shapes", "quantized", "contrib_float", "contrib_quantized"] {
        let model = load(name);
        let inputs = inputs(name, &model);
        let expected = run(&model, &inputs).unwrap();
        let named: Vec<(&str, Value)> = inputs.iter().map(|(n, v)| (n.as_str(), v.clone())).collect();
        let compiled = model.compiled();
        // Once traced, once not.
        for _ in 0..2 {
            let outputs = no_grad(|| compiled.run(&named)).unwrap();
            for (expected, output) in expected.iter().zip(&outputs) {
                assert_eq!(expected.element_type(), output.element_type(), "{name}");
                let (expected, output) = (expected.tensor().unwrap(), output.tensor().unwrap());
                assert_eq!(expected.to_f64_vec(), output.to_f64_vec(), "{name}");
            }
        }
        assert!(compiled.is_traced(), "{name}");
    }
}

/// Batch normalization is folded into the convolution.
#[test]
fn models_compiled_for_inference_round_otherwise() {
    let recorded = npz::read(fixture("cnn.npz")).unwrap();
    let compiled = load("cnn").compiled_for_inference();
    let outputs = no_grad(|| compiled.run(&[("x", (&recorded["in.x"]).into())])).unwrap();
    let pairs = recorded["out.y"].to_f64_vec().into_iter().zip(outputs[0].tensor().unwrap().to_f64_vec());
    assert!(pairs.map(|(e, g)| (e - g).abs()).fold(0.0, f64::max) < 1e-6);
    assert!(compiled.is_traced());
}

/// The number of turns of a loop is an input, so that the graph depends on it.
#[test]
fn models_that_cannot_be_traced_are_run_as_they_are() {
    let model = load("control");
    let inputs = inputs("control", &model);
    let expected = run(&model, &inputs).unwrap()[0].tensor().unwrap().to_vec::<f32>();
    let named: Vec<(&str, Value)> = inputs.iter().map(|(n, v)| (n.as_str(), v.clone())).collect();
    let compiled = model.compiled();
    assert_eq!(compiled.run(&named).unwrap()[0].tensor().unwrap().to_vec::<f32>(), expected);
    assert!(!compiled.is_traced());
    let wrong = compiled.run(&[("x", Tensor::zeros(3).into())]).unwrap_err().to_string();
    assert_eq!(wrong, "the model needs a value for [\"turns\"]");
}

#[test]
fn imported_models_can_be_trained() {
    let model = load("cnn");
    let state: Vec<(String, Role)> = model.named_state().iter().map(|(n, p)| (n.clone(), p.role())).collect();
    let roles = ["conv_weight", "conv_bias", "bn_weight", "bn_bias"].map(|n| (n.to_owned(), Role::Parameter));
    let buffers = ["bn_running_mean", "bn_running_var"].map(|n| (n.to_owned(), Role::Buffer));
    assert_eq!(state, [&roles[..], &buffers[..]].concat());
    let inputs = inputs("cnn", &model);
    let target = Tensor::from([0i64, 2]);
    let loss = || {
        let named: Vec<(&str, Value)> = inputs.iter().map(|(n, v)| (n.as_str(), v.clone())).collect();
        model.run(&named).unwrap()[0].tensor().unwrap().cross_entropy(&target)
    };
    let first = loss();
    let gradients = first.backward();
    for param in model.parameters() {
        let gradient = gradients.get(&param).unwrap();
        param.set(&param.get().detach().sub(gradient.mul(0.05))).unwrap();
    }
    assert!(loss().item::<f32>() < first.item::<f32>());
}
