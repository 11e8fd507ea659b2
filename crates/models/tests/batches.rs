//! In evaluation mode the result for a sample does not depend on what else is in its batch.

use hadal_core::random::manual_seed;
use hadal_core::{ModuleExt, Tensor, no_grad};
use hadal_models::{ALL, Bert, BertSize, Spec, build};
use hadal_nn::Layer;

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

/// One test for each model, so that they run side by side and each is named when it fails.
macro_rules! models {
    ($($test:ident $name:literal $input:expr;)*) => {
        /// The names that have a test.
        const TESTED: &[&str] = &[$($name),*];

        $(#[test]
        fn $test() {
            manual_seed(1);
            let spec = Spec { input: $input.to_vec(), outputs: 10 };
            let model = build($name, &spec).unwrap();
            let shape: Vec<usize> = [SAMPLES].iter().chain(&spec.input).copied().collect();
            let float = model.input_dtype().is_float();
            let samples = if float { Tensor::randn(shape) } else { Tensor::randint(0, 10, shape) };
            compare($name, &*model, &samples);
        })*
    };
}

models! {
    mlp "mlp" [1, 28, 28];
    lenet "lenet" [1, 28, 28];
    cnn "cnn" [1, 28, 28];
    keras_cnn "keras-cnn" [3, 32, 32];
    resnet18 "resnet18" [3, 40, 40];
    resnet20 "resnet20" [3, 32, 32];
    resnet34 "resnet34" [3, 32, 32];
    resnet50 "resnet50" [3, 40, 40];
    resnet101 "resnet101" [3, 32, 32];
    resnet152 "resnet152" [3, 32, 32];
    mobilenet_v2 "mobilenet_v2" [3, 40, 40];
    vit_b_16 "vit_b_16" [3, 32, 32];
    gpt "gpt" [9];
}

#[test]
fn every_named_model_is_compared() {
    assert_eq!(TESTED, ALL.map(|entry| entry.name));
}

#[test]
fn bert() {
    manual_seed(1);
    let model = Bert::new(&BertSize { layers: 3, ..Default::default() });
    compare("bert", &model, &Tensor::randint(0, 30522, [SAMPLES, 9]));
}

/// Larger images than most models here are tested with, where rows no longer fit what small ones fit.
#[test]
fn resnet18_on_larger_images() {
    manual_seed(1);
    let model = build("resnet18", &Spec { input: vec![3, 96, 96], outputs: 10 }).unwrap();
    compare("resnet18", &*model, &Tensor::randn([SAMPLES, 3, 96, 96]));
}
