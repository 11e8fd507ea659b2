//! In evaluation mode the result for a sample does not depend on what else is in its batch; and a compiled model, in
//! evaluation as in training, gives the bits of the model itself.

mod small_models;

use hadal_core::random::manual_seed;
use hadal_core::{ModuleExt, Tensor, compile, no_grad};
use hadal_models::{Bert, BertSize, Spec, build};
use hadal_nn::Layer;
use small_models::test_every_model;
use std::sync::{Mutex, MutexGuard};

/// The samples of the largest batch; the smaller ones are its beginning and its end.
const SAMPLES: usize = 20;

/// Compares the results for all samples at once with those for each of some alone, and for the last three.
#[track_caller]
fn compare(name: &str, model: &dyn Layer, samples: &Tensor) {
    let predict = |start: usize, count: usize| no_grad(|| model.forward(&samples.narrow(0, start, count)));
    model.eval();
    let all = predict(0, SAMPLES);
    let bits = |x: &Tensor| -> Vec<u32> { x.to_vec::<f32>().into_iter().map(f32::to_bits).collect() };
    for (start, count) in [(0, 1), (16, 1), (SAMPLES - 1, 1), (SAMPLES - 3, 3)] {
        let (found, expected) = (bits(&predict(start, count)), bits(&all.narrow(0, start, count)));
        let different = found.iter().zip(&expected).filter(|(a, b)| a != b).count();
        assert!(
            different == 0 && found.len() == expected.len(),
            "{name}: {different} of {} numbers of samples {start} to {} are others in a batch of {SAMPLES}",
            found.len(),
            start + count - 1
        );
    }
}

/// The bits of the predictions, and in training mode of the gradients, with and without compiling.
#[track_caller]
fn compare_compiled(name: &str, model: &dyn Layer, samples: &Tensor) {
    let samples = samples.narrow(0, 0, 2);
    let predict = compile(|[x]: [&Tensor; 1]| model.forward(x));
    model.eval();
    let found = no_grad(|| predict.call([&samples]));
    assert_eq!(found.to_bytes(), no_grad(|| model.forward(&samples)).to_bytes(), "{name}: other predictions");
    let gradients = |x: &Tensor| -> Vec<Tensor> {
        let gradients = model.forward(x).square().mean(..).backward();
        model.parameters().iter().filter_map(|param| gradients.get(param).ok().cloned()).collect()
    };
    model.train();
    let compiled = compile(|[x]: [&Tensor; 1]| gradients(x));
    let run = |f: &dyn Fn() -> Vec<Tensor>| {
        manual_seed(2);
        f().iter().map(Tensor::to_bytes).collect::<Vec<_>>()
    };
    // The second run is another than the traced one.
    for _ in 0..2 {
        assert!(run(&|| compiled.call([&samples])) == run(&|| gradients(&samples)), "{name}: other gradients");
    }
}

/// Dropout draws from the one default generator, and a model's work is parallel in itself.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(|e| e.into_inner())
}

fn check(name: &str, input: &[usize]) {
    let _turn = turn();
    manual_seed(1);
    let model = build(name, &Spec { input: input.to_vec(), outputs: 10 }).unwrap();
    let shape = [&[SAMPLES], input].concat();
    let float = model.input_dtype().is_float();
    let samples = if float { Tensor::randn(shape) } else { Tensor::randint(0, 10, shape) };
    compare(name, &*model, &samples);
    compare_compiled(name, &*model, &samples);
}
test_every_model!(check);

#[test]
fn bert() {
    let _turn = turn();
    manual_seed(1);
    let model = Bert::new(&BertSize { layers: 3, ..Default::default() });
    let samples = Tensor::randint(0, 30522, [SAMPLES, 9]);
    compare("bert", &model, &samples);
    compare_compiled("bert", &model, &samples);
}

/// Larger images than most models here are tested with, where rows no longer fit what small ones fit.
#[test]
fn resnet18_on_larger_images() {
    let _turn = turn();
    manual_seed(1);
    let model = build("resnet18", &Spec { input: vec![3, 96, 96], outputs: 10 }).unwrap();
    compare("resnet18", &*model, &Tensor::randn([SAMPLES, 3, 96, 96]));
}
