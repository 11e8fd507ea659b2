//! S4a: the TensorFlow tutorial's perceptron with `compile`, `fit`, `evaluate`.
//!
//! The tutorial forgets to flatten its images and to scale them to 0 … 1; here the loader scales and the model flattens.
//!
//! `cargo run --release --example s4a_keras_mlp -- [EPOCHS] [DATA]`

use hadal::data::{ImageSet, Loader, Split, datasets, transforms::Pipeline};
use hadal::prelude::*;

/// Trains and returns the accuracy on the test images.
pub fn run(train: ImageSet, test: ImageSet, epochs: usize) -> Result<f64> {
    manual_seed(0);
    // Sizes of inputs are found at the first call, as with Keras' Dense.
    let model = Sequential::new().add(Flatten::new()).add(Linear::lazy(128)).add(Relu).add(Linear::lazy(10));
    model.build(&[1, 1, 28, 28]);
    assert_eq!(model.parameter_count(), 101_770);

    let train = Loader::new(train, 32).shuffle(0).transform(Pipeline::new());
    let test = Loader::new(test, 32).transform(Pipeline::new());
    let optimizer = Adam::new(0.001).optimize(model.parameters());
    let mut model = model.compile(optimizer, cross_entropy).metric(Accuracy::new());
    model.fit(&train, Fit::epochs(epochs).callback(&mut ProgressBar::new()))?;
    let scores = model.evaluate(&test)?;
    println!("loss: {:.4}, {}", scores.loss, scores.metrics.line());
    Ok(scores.metrics.get("accuracy").expect("the metric was added"))
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let epochs = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(5);
    let data = arguments.next().map(std::path::PathBuf::from);
    let load = |split| datasets::load(datasets::Name::Mnist, split, data.as_deref(), &mut |_| ());
    run(load(Split::Train)?, load(Split::Test)?, epochs).map(|_| ())
}
