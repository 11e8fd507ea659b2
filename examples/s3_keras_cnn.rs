//! S3: the Keras tutorial's CNN on CIFAR-10 with `compile`, `fit`, `evaluate`.
//!
//! The tutorial ends in a softmax and trains with a loss that expects logits, which flattens the gradients; here the
//! model ends in logits. It also validates on the test set; here a tenth of the training images is set aside.
//!
//! `cargo run --release --example s3_keras_cnn -- [EPOCHS] [DATA]`

use hadal::data::{ImageSet, Loader, Split, Subset, datasets, random_split, transforms::Pipeline};
use hadal::prelude::*;
use std::sync::Arc;

/// Trains and returns the accuracy on the test images.
pub fn run(train: ImageSet, test: ImageSet, epochs: usize) -> Result<f64> {
    manual_seed(0);
    let model = Sequential::new()
        .add(Conv2d::new(3, 32, 3))
        .add(Relu)
        .add(MaxPool2d::new(2))
        .add(Conv2d::new(32, 64, 3))
        .add(Relu)
        .add(MaxPool2d::new(2))
        .add(Conv2d::new(64, 64, 3))
        .add(Relu)
        .add(Flatten::new())
        .add(Linear::new(1024, 64))
        .add(Relu)
        .add(Linear::new(64, 10));
    assert_eq!(model.parameter_count(), 122_570);

    let train = Arc::new(train);
    let [fitting, held_out] = &random_split(train.len(), &[0.9, 0.1], 0)[..] else { unreachable!("two shares") };
    let training = Loader::new(Subset::new(train.clone(), fitting.clone()), 32).shuffle(0).transform(Pipeline::new());
    let validation = Loader::new(Subset::new(train, held_out.clone()), 32).transform(Pipeline::new());
    let test = Loader::new(test, 32).transform(Pipeline::new());

    let optimizer = Adam::new(0.001).optimize(model.parameters());
    let mut model = model.compile(optimizer, cross_entropy).metric(Accuracy::new());
    model.fit(&training, Fit::epochs(epochs).validation(&validation).callback(&mut ProgressBar::new()))?;
    let scores = model.evaluate(&test)?;
    println!("Test accuracy: {:.4}", scores.metrics.get("accuracy").unwrap_or(f64::NAN));
    Ok(scores.metrics.get("accuracy").expect("the metric was added"))
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let epochs = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(10);
    let data = arguments.next().map(std::path::PathBuf::from);
    let load = |split| datasets::load(datasets::Name::Cifar10, split, data.as_deref(), &mut |_| ());
    run(load(Split::Train)?, load(Split::Test)?, epochs).map(|_| ())
}
