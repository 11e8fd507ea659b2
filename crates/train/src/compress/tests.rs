//! A convolutional network that learned to read drawn digits, before and after.

use super::*;
use crate::metrics::{Accuracy, Metric};
use crate::{Compile, Fit};
use hadal_core::random::manual_seed;
use hadal_core::{ModuleExt, Tensor, no_grad};
use hadal_data::transforms::{Normalize, Pipeline};
use hadal_data::{Loader, Split, digits};
use hadal_nn::layers::{BatchNorm2d, Conv2d, Flatten, Linear, MaxPool2d, Relu};
use hadal_nn::losses::{Distillation, cross_entropy};
use hadal_nn::optim::{Adam, Rule};
use hadal_nn::{Layer, Sequential, Strictness, load_state_dict, state_dict};

fn loader(split: Split, samples: usize) -> Loader {
    let mut set = digits::load(split, 0);
    set.images.truncate(samples * digits::PIXELS);
    set.labels.truncate(samples);
    Loader::new(set, 100).transform(Pipeline::new().then(Normalize::new(&[0.5], &[0.5])))
}

#[test]
fn a_quantized_network_reads_digits_as_well() {
    manual_seed(3);
    let model = Sequential::new()
        .add(Conv2d::new(1, 16, 3).padding(1))
        .add(BatchNorm2d::new(16))
        .add(Relu)
        .add(MaxPool2d::new(2))
        .add(Conv2d::new(16, 24, 3).padding(1).stride(2))
        .add(Relu)
        .add(Flatten::new())
        .add(Linear::new(24 * 7 * 7, 10));
    let optimizer = Adam::new(2e-3).optimize(model.parameters());
    let (train, test) = (loader(Split::Train, 2000), loader(Split::Test, 1000));
    let mut trainer = model.compile(optimizer, cross_entropy);
    trainer.fit(&train, Fit::epochs(4)).unwrap();
    let model = trainer.model();
    model.eval();
    let accuracy = {
        let mut accuracy = Accuracy::new();
        no_grad(|| {
            for batch in test.epoch(0) {
                let batch = batch.unwrap();
                accuracy.update(&model.forward(&batch.input), &batch.target).unwrap();
            }
        });
        accuracy.value()
    };
    assert!(accuracy > 0.85, "{accuracy}");
    let few = loader(Split::Train, 300);
    let calibrated = |calibration| quantize_static(model, &few, calibration).unwrap();
    for quantized in [
        calibrated(Calibration::MinMax),
        calibrated(Calibration::Percentile(1e-4)),
        calibrated(Calibration::Entropy),
        quantize_dynamic(model),
        quantize_weights(model),
    ] {
        let found = quantized.measure(&test, &mut Accuracy::new()).unwrap();
        assert!((found - accuracy).abs() <= 0.01, "{found} instead of {accuracy}");
        let x = Tensor::randn([3, 1, 28, 28]);
        assert_ne!(quantized.forward(&x).unwrap().to_bytes(), no_grad(|| model.forward(&x)).to_bytes());
    }
}

/// What a model learned with fake quantization is what its graph of bytes computes: outputs differ by no more than a
/// thousandth of the largest, where a sum at the middle of two steps is rounded the other way.
#[test]
fn a_model_that_learned_with_eight_bits_gives_the_same_with_bytes() {
    manual_seed(4);
    let model = Sequential::new()
        .add(Conv2d::new(1, 12, 3).padding(1))
        .add(BatchNorm2d::new(12))
        .add(Relu)
        .add(MaxPool2d::new(2))
        .add(Conv2d::new(12, 16, 3).padding(1).stride(2).without_bias())
        .add(BatchNorm2d::new(16))
        .add(Relu)
        .add(Flatten::new())
        .add(Linear::new(16 * 7 * 7, 10));
    prepare_qat(&model, Observer::MovingAverage(0.05));
    let optimizer = Adam::new(2e-3).optimize(model.parameters());
    let mut trainer = model.compile(optimizer, cross_entropy).metric(Accuracy::new()).compiled();
    trainer.fit(&loader(Split::Train, 2000), Fit::epochs(3)).unwrap();
    let test = loader(Split::Test, 500);
    let accuracy = trainer.evaluate(&test).unwrap().metrics.get("accuracy").unwrap();
    assert!(accuracy > 0.8, "{accuracy}");
    let model = trainer.model();
    // Data that says nothing: the ranges are the learned ones.
    let nothing = Loader::new(
        hadal_data::ImageSet {
            images: vec![0; 10 * digits::PIXELS],
            labels: vec![0; 10],
            ..digits::load(Split::Test, 0)
        },
        10,
    );
    let quantized = quantize_static(model, &nothing, Calibration::MinMax).unwrap();
    let (mut apart, mut largest, mut far) = (0.0f64, 0.0f64, 0);
    for batch in test.epoch(0) {
        let x = batch.unwrap().input;
        let (found, expected) = (quantized.forward(&x).unwrap(), no_grad(|| model.forward(&x)));
        for (a, b) in found.to_f64_vec().into_iter().zip(expected.to_f64_vec()) {
            (apart, largest) = (apart.max((a - b).abs()), largest.max(b.abs()));
            far += ((a - b).abs() > 1e-4) as usize;
        }
    }
    println!("largest difference {:.5} of the largest output, {far} of 5000 beyond 1e-4", apart / largest);
    assert!(apart <= 1e-3 * largest, "{apart} of {largest}");
    let found = quantized.measure(&test, &mut Accuracy::new()).unwrap();
    assert!((found - accuracy).abs() <= 0.002 + 1e-9, "{found} instead of {accuracy}");
}

/// A student of one layer comes nearer to its teacher's opinions when it hears them than by labels alone.
#[test]
fn a_student_learns_from_a_teacher() {
    let train = loader(Split::Train, 1000);
    let test = loader(Split::Test, 500);
    manual_seed(5);
    let teacher = || Sequential::new().add(Flatten::new()).add(Linear::new(784, 64)).add(Relu).add(Linear::new(64, 10));
    let student = || Sequential::new().add(Flatten::new()).add(Linear::new(784, 10));
    let first = teacher();
    let optimizer = Adam::new(2e-3).optimize(first.parameters());
    let mut trainer = first.compile(optimizer, cross_entropy).compiled();
    trainer.fit(&train, Fit::epochs(5)).unwrap();
    let first = trainer.into_model();
    let start = state_dict(&student());
    let mut apart = Vec::new();
    for hears in [false, true] {
        for compiled in [false, true] {
            let model = student();
            load_state_dict(&model, &start, Strictness::Strict).unwrap();
            let optimizer = Adam::new(2e-3).optimize(model.parameters());
            let mut trainer = model.compile(optimizer, cross_entropy);
            let copy = teacher();
            load_state_dict(&copy, &state_dict(&first), Strictness::Strict).unwrap();
            if hears {
                trainer = trainer.distill(copy, Distillation::new().temperature(4.0).alpha(0.9));
            }
            let mut trainer = if compiled { trainer.compiled() } else { trainer };
            trainer.fit(&train, Fit::epochs(5)).unwrap();
            let (found, expected) = (trainer.predict(&test).unwrap(), first_opinions(&first, &test));
            apart.push(found.softmax(1).sub(expected.softmax(1)).abs().mean(..).item::<f32>());
        }
    }
    assert!(apart[0] == apart[1] && apart[2] == apart[3], "compiled or not: {apart:?}");
    assert!(apart[2] < apart[0], "{apart:?}");
}

fn first_opinions(model: &Sequential, data: &Loader) -> Tensor {
    model.eval();
    let batches: Vec<Tensor> = data.epoch(0).map(|batch| no_grad(|| model.forward(&batch.unwrap().input))).collect();
    Tensor::cat(&batches.iter().collect::<Vec<_>>(), 0)
}

#[test]
fn calibration_needs_data() {
    let model = Sequential::new().add(Flatten::new()).add(Linear::new(784, 10));
    let error = quantize_static(&model, &loader(Split::Train, 0), Calibration::MinMax).err().unwrap();
    assert!(error.to_string().contains("the data is empty"), "{error}");
}
