//! S1: a multi-layer perceptron on MNIST with the training loop written by hand.
//!
//! The tutorial has no activation between its linear layers, which makes the three of them one linear map; here they
//! are rectified. Images are flattened before the first layer.
//!
//! `cargo run --release --example s1_mnist_mlp -- [EPOCHS] [DATA]`

use hadal::data::transforms::{Normalize, Pipeline};
use hadal::data::{ImageSet, Loader, Split, datasets};
use hadal::prelude::*;

#[derive(Module)]
struct MyNetwork {
    layer1: Linear,
    layer2: Linear,
    output: Linear,
}

impl MyNetwork {
    fn new() -> MyNetwork {
        MyNetwork { layer1: Linear::new(784, 128), layer2: Linear::new(128, 64), output: Linear::new(64, 10) }
    }
}

impl Layer for MyNetwork {
    fn forward(&self, x: &Tensor) -> Tensor {
        let x = self.layer1.forward(&x.flatten(1, -1)).relu();
        let x = self.layer2.forward(&x).relu();
        self.output.forward(&x)
    }
}

/// Trains and returns the accuracy on the test images.
pub fn run(train: ImageSet, test: ImageSet, epochs: usize) -> Result<f64> {
    manual_seed(0);
    let transform = || Pipeline::new().then(Normalize::new(&[0.5], &[0.5]));
    let train_loader = Loader::new(train, 64).shuffle(0).transform(transform());
    let test_loader = Loader::new(test, 64).transform(transform());

    let model = MyNetwork::new();
    assert_eq!(model.parameter_count(), 109_386);
    let optimizer = Sgd::new(0.01).momentum(0.9).optimize(model.parameters());

    for epoch in 0..epochs {
        model.train();
        for batch in train_loader.epoch(epoch as u64) {
            let batch = batch?;
            let loss = cross_entropy(&model.forward(&batch.input), &batch.target);
            optimizer.step(&loss.backward())?;
        }
        model.eval();
        let (mut correct, mut total) = (0, 0);
        no_grad(|| {
            for batch in test_loader.epoch(0) {
                let batch = batch?;
                let predicted = model.forward(&batch.input).argmax(1);
                correct += predicted.eq(&batch.target).sum(..).item::<i64>();
                total += batch.target.elements() as i64;
            }
            Ok::<(), Error>(())
        })?;
        println!("Epoch {}: accuracy {:.2} %", epoch + 1, 100.0 * correct as f64 / total as f64);
        if epoch + 1 == epochs {
            return Ok(correct as f64 / total as f64);
        }
    }
    Ok(0.0)
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let epochs = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(5);
    let data = arguments.next().map(std::path::PathBuf::from);
    let load = |split| datasets::load(datasets::Name::Mnist, split, data.as_deref(), &mut |_| ());
    run(load(Split::Train)?, load(Split::Test)?, epochs).map(|_| ())
}
