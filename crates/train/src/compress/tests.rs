//! A convolutional network that learned to read drawn digits, before and after.

use super::*;
use crate::metrics::{Accuracy, Metric};
use crate::{Compile, Fit};
use hadal_core::random::manual_seed;
use hadal_core::{ModuleExt, Tensor, no_grad};
use hadal_data::transforms::{Normalize, Pipeline};
use hadal_data::{Loader, Split, digits};
use hadal_nn::layers::{BatchNorm2d, Conv2d, Flatten, Linear, MaxPool2d, Relu};
use hadal_nn::losses::cross_entropy;
use hadal_nn::optim::{Adam, Rule};
use hadal_nn::{Layer, Sequential};

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
    ] {
        let found = quantized.measure(&test, &mut Accuracy::new()).unwrap();
        assert!((found - accuracy).abs() <= 0.01, "{found} instead of {accuracy}");
        let x = Tensor::randn([3, 1, 28, 28]);
        assert_ne!(quantized.forward(&x).unwrap().to_bytes(), no_grad(|| model.forward(&x)).to_bytes());
    }
}

#[test]
fn calibration_needs_data() {
    let model = Sequential::new().add(Flatten::new()).add(Linear::new(784, 10));
    let error = quantize_static(&model, &loader(Split::Train, 0), Calibration::MinMax).err().unwrap();
    assert!(error.to_string().contains("the data is empty"), "{error}");
}
