//! S4b: the PyTorch tutorial's perceptron, completed: data, loop and evaluation.
//!
//! `cargo run --release --example s4b_pytorch_mlp -- [EPOCHS] [DATA]`

use hadal::data::{ImageSet, Loader, Split, datasets, transforms::Pipeline};
use hadal::prelude::*;

#[derive(Module)]
struct Net {
    fc1: Linear,
    fc2: Linear,
}

impl Layer for Net {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.fc2.forward(&self.fc1.forward(&x.flatten(1, -1)).relu())
    }
}

/// Trains and returns the accuracy on the test images.
pub fn run(train: ImageSet, test: ImageSet, epochs: usize) -> Result<f64> {
    manual_seed(0);
    let train = Loader::new(train, 32).shuffle(0).transform(Pipeline::new());
    let test = Loader::new(test, 32).transform(Pipeline::new());
    let net = Net { fc1: Linear::new(784, 128), fc2: Linear::new(128, 10) };
    assert_eq!(net.parameter_count(), 101_770);
    let optimizer = Adam::new(0.001).optimize(net.parameters());
    for epoch in 0..epochs {
        for batch in train.epoch(epoch as u64) {
            let batch = batch?;
            let outputs = net.forward(&batch.input);
            let loss = cross_entropy(&outputs, &batch.target);
            optimizer.step(&loss.backward())?;
        }
    }
    let mut accuracy = Accuracy::new();
    no_grad(|| {
        test.epoch(0).try_for_each(|batch| {
            let batch = batch?;
            accuracy.update(&net.forward(&batch.input), &batch.target)
        })
    })?;
    println!("Accuracy: {:.4}", accuracy.value());
    Ok(accuracy.value())
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let epochs = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(5);
    let data = arguments.next().map(std::path::PathBuf::from);
    let load = |split| datasets::load(datasets::Name::Mnist, split, data.as_deref(), &mut |_| ());
    run(load(Split::Train)?, load(Split::Test)?, epochs).map(|_| ())
}
