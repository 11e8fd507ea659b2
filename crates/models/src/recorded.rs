//! Comparison with the models in `fixtures/models`: both sides make weights and inputs by the formula in `models.py`.

use hadal_core::format::safetensors::{self, Archive};
use hadal_core::testing::assert_close;
use hadal_core::{DType, ModuleExt, Tensor};
use hadal_nn::{Layer, StateDict, Strictness, load_state_dict};
use std::path::Path;

/// Relative error allowed in f64 and f32: of the outputs, and of the norms of gradients.
const TOLERANCES: [(DType, f64, f64); 2] = [(DType::F64, 1e-10, 1e-10), (DType::F32, 2e-5, 1e-4)];

/// Compares keys and shapes, and in both float types the outputs of every input and the gradient of `loss` of the
/// first's.
#[track_caller]
pub fn compare(name: &str, model: &impl Layer, loss: impl Fn(&Tensor) -> Tensor) {
    let recorded = read(name);
    let keys: Vec<(String, Vec<usize>)> = serde_json::from_str(&recorded.metadata["state_dict"]).unwrap();
    let state = model.named_state();
    let found: Vec<(String, Vec<usize>)> = state.iter().map(|(k, p)| (k.clone(), p.get().shape().to_vec())).collect();
    assert_eq!(found, keys, "{name}: keys and shapes");

    let values = keys.iter().enumerate().map(|(i, (key, shape))| (key.clone(), value(key, i as u32, shape)));
    let values: StateDict = values.collect();
    // As they come from a file, by name and in an order of the file's own.
    let file = safetensors::to_bytes(&values, &Default::default()).unwrap();
    let values = safetensors::from_bytes(file).unwrap().tensors;
    let inputs = inputs(&recorded);
    model.eval();
    for (dtype, tolerance, of_gradients) in TOLERANCES {
        model.to_dtype(dtype);
        load_state_dict(model, &values, Strictness::Strict).unwrap();
        for (i, (label, ..)) in inputs.iter().enumerate() {
            let what = format!("{name}/{label} in {dtype}");
            let x = batch(model, &recorded, i);
            let output = model.forward(&if x.dtype().is_float() { x.to_dtype(dtype) } else { x });
            assert_close(&output, &recorded.tensors[&format!("{label}/logits")], tolerance, &what);
            if i == 0 {
                let gradients = loss(&output).backward();
                // A parameter that the output does not depend on is recorded with norm 0.
                let norm = |p| gradients.get(p).map_or(0.0, |g| g.to_dtype(DType::F64).square().sum(..).sqrt().item());
                let norms: Vec<f64> = model.parameters().iter().map(norm).collect();
                let expected = &recorded.tensors["gradient/norms"];
                let norms = Tensor::from_vec(norms, expected.shape());
                assert_close(&norms, expected, of_gradients, &format!("{what}: norms of gradients"));
            }
        }
    }
}

/// The loss of all models but one.
pub fn mean_square(output: &Tensor) -> Tensor {
    output.square().mean(..)
}

/// The file of a model.
pub fn read(name: &str) -> Archive {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/models").join(format!("{name}.safetensors"));
    safetensors::read(path).unwrap()
}

/// Label, shape of a sample, and numbers of the samples of each input.
fn inputs(recorded: &Archive) -> Vec<(String, Vec<usize>, Vec<u32>)> {
    serde_json::from_str(&recorded.metadata["inputs"]).unwrap()
}

/// The recorded input of this number.
pub fn batch(model: &impl Layer, recorded: &Archive, number: usize) -> Tensor {
    let (_, shape, numbers) = inputs(recorded).swap_remove(number);
    let samples: Vec<Tensor> = numbers.iter().map(|&n| sample(model, recorded, n, &shape)).collect();
    Tensor::stack(&samples, 0)
}

/// An image, or a sequence of words of the vocabulary that the file names.
fn sample(model: &impl Layer, recorded: &Archive, number: u32, shape: &[usize]) -> Tensor {
    let hashes = hashes(1000 + number, shape.iter().product());
    if model.input_dtype().is_float() {
        return Tensor::from_vec(hashes.map(|h| signed(h) / 4_194_304.0).collect(), shape);
    }
    let vocabulary: i64 = recorded.metadata["vocabulary"].parse().unwrap();
    Tensor::from_vec(hashes.map(|h| i64::from(h) % vocabulary).collect(), shape)
}

fn hashes(tensor: u32, count: usize) -> impl Iterator<Item = u32> {
    let start = tensor.wrapping_mul(0x9E37_79B9);
    (0..count as u32).map(move |element| {
        let x = element ^ start;
        let x = (x ^ (x >> 16)).wrapping_mul(0x7FEB_352D);
        let x = (x ^ (x >> 15)).wrapping_mul(0x846C_A68B);
        (x ^ (x >> 16)) >> 8
    })
}

fn signed(hash: u32) -> f32 {
    (hash as i32 - 8_388_608) as f32
}

fn value(key: &str, position: u32, shape: &[usize]) -> Tensor {
    if key.ends_with("num_batches_tracked") {
        return Tensor::full((), 0i64);
    }
    let hashes = hashes(position, shape.iter().product());
    let positive = |hash: u32| (8_388_608 + hash) as f32;
    let values: Vec<f32> = if shape.len() > 1 {
        let inputs: usize = shape[1..].iter().product();
        let scale = (3_355_443 * inputs.isqrt()) as f32;
        hashes.map(|h| signed(h) / scale).collect()
    } else if key.ends_with("weight") {
        hashes.map(|h| positive(h) / 33_554_432.0).collect()
    } else if key.ends_with("running_var") {
        hashes.map(|h| positive(h) / 16_777_216.0).collect()
    } else {
        hashes.map(|h| signed(h) / 33_554_432.0).collect()
    };
    Tensor::from_vec(values, shape)
}
