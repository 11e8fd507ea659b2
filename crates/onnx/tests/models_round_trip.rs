//! Every named model, and layers that none of them has, written as ONNX and read again: the predictions must be those of the model, also for batches of
//! other sizes, and parameters must keep their names.

mod cases;
#[path = "../../models/tests/small_models/mod.rs"]
mod small_models;

use cases::{keep, run};
use hadal_core::random::manual_seed;
use hadal_core::testing::difference;
use hadal_core::{ModuleExt, Tensor, no_grad};
use hadal_models::{Bert, BertSize, Spec, build};
use hadal_nn::layers::*;
use hadal_nn::{Layer, Sequential};
use hadal_onnx::{Export, Model};
use small_models::test_every_model;
use std::slice::from_ref;

/// Relative error of the predictions: batch normalizations are computed in another order of operations.
const TOLERANCE: f64 = 2e-5;

#[track_caller]
fn compare(name: &str, model: &dyn Layer, sample: &[usize]) {
    let samples = |n: usize| {
        let shape: Vec<usize> = [n].iter().chain(sample).copied().collect();
        if model.input_dtype().is_float() { Tensor::randn(shape) } else { Tensor::randint(0, 10, shape) }
    };
    let two = samples(2);
    no_grad(|| model.forward(&two));
    model.eval();
    // Running statistics that are not those of a fresh model, which are hard to tell from none.
    for (key, param) in model.named_state() {
        if key.ends_with("running_mean") || key.ends_with("running_var") {
            param.set(&Tensor::rand(param.get().shape()).add(0.5)).unwrap();
        }
    }
    let forward = |x: &[Tensor]| Ok(vec![model.forward(&x[0])]);
    let fixed = Export::new([("x", two.meta())]).to_bytes(&forward).unwrap_or_else(|e| panic!("{name}: {e}"));
    let open = Export::new([("x", two.meta())]).dynamic_batch().to_bytes(&forward);
    let open = open.unwrap_or_else(|e| panic!("{name}, any batch: {e}"));
    let names = ["x".to_owned()];
    for (bytes, batch) in [(&fixed, 2), (&open, 1), (&open, 3)] {
        let x = samples(batch);
        let expected = no_grad(|| model.forward(&x));
        keep(&format!("model-{name}-{batch}"), bytes, from_ref(&x), from_ref(&expected));
        let found = run(bytes.clone(), &names, &[x]).unwrap_or_else(|e| panic!("{name}: {e}"));
        let apart = difference(&found[0], &expected);
        assert!(apart <= TOLERANCE, "{name}: predictions for a batch of {batch} differ by {apart:e}");
    }
    let state = model.named_state();
    let unused = |key: &str| key.ends_with("num_batches_tracked") || name == "bert" && key.contains("pooler");
    let found: Vec<String> = Model::from_bytes(open).unwrap().named_state().into_iter().map(|(key, _)| key).collect();
    for (key, _) in state.iter().filter(|(key, _)| !unused(key)) {
        assert!(found.contains(key), "{name}: `{key}` is none of the initializers {found:?}");
    }
}

fn check(name: &str, input: &[usize]) {
    manual_seed(1);
    compare(name, &*build(name, &Spec { input: input.to_vec(), outputs: 10 }).unwrap(), input);
}
test_every_model!(check);

#[test]
fn bert() {
    manual_seed(1);
    compare("bert", &Bert::new(&BertSize { layers: 2, ..Default::default() }), &[9]);
}

#[test]
fn recurrent_networks() {
    manual_seed(1);
    compare("lstm", &Lstm::new(5, 7).layers(2).bidirectional(), &[6, 5]);
    compare("gru", &Gru::new(5, 7).bidirectional(), &[6, 5]);
    compare("gru-without-bias", &Gru::new(5, 7).layers(2).without_bias(), &[6, 5]);
    compare("rnn", &Rnn::new(5, 7).layers(2), &[6, 5]);
    compare("rnn-relu", &Rnn::new(5, 7).relu(), &[6, 5]);
}

#[test]
fn layers_of_images() {
    manual_seed(1);
    let pools = Sequential::new()
        .add(MaxPool2d::new(3).stride(2).padding(1))
        .add(AvgPool2d::new(2).stride(1).padding(1))
        .add(AdaptiveMaxPool2d::new([7, 4]))
        .add(AdaptiveAvgPool2d::new([3, 3]));
    compare("pools", &pools, &[4, 19, 17]);
    let norms =
        Sequential::new().add(GroupNorm::new(2, 4)).add(InstanceNorm2d::new(4).affine()).add(BatchNorm2d::new(4));
    compare("norms", &norms, &[4, 6, 5]);
    let decoder = Sequential::new()
        .add(ConvTranspose2d::new(4, 6, 3).stride(2).padding(1).output_padding(1).groups(2))
        .add(Upsample::by(2.0).mode(Interpolation::Linear))
        .add(SqueezeExcitation::new(6, 2))
        .add(Upsample::by(2.0))
        .add(PixelUnshuffle::new(2));
    compare("decoder", &decoder, &[4, 5, 6]);
}

#[test]
fn transformers() {
    manual_seed(1);
    let encoder = TransformerEncoder::new(2, || TransformerEncoderLayer::new(8, 2).feedforward(16));
    compare("encoder", &Sequential::new().add(encoder).add(RmsNorm::new(8)), &[6, 8]);
}
