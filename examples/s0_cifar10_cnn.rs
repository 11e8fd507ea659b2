//! S0: a CNN on CIFAR-10 with the training loop written by hand.
//!
//! The tutorial's feature map is 32 × 8 × 8 = 2048 numbers (32 → 16 → 8 with padding 1), so the last layer takes 2048.
//!
//! `cargo run --release --example s0_cifar10_cnn -- [EPOCHS] [DATA]`

use hadal::data::transforms::{Normalize, Pipeline};
use hadal::data::{ImageSet, Loader, Split, datasets};
use hadal::prelude::*;

#[derive(Module)]
struct Net {
    conv1: Conv2d,
    conv2: Conv2d,
    pool: MaxPool2d,
    fc: Linear,
}

impl Net {
    fn new() -> Net {
        Net {
            conv1: Conv2d::new(3, 16, 3).padding(1),
            conv2: Conv2d::new(16, 32, 3).padding(1),
            pool: MaxPool2d::new(2),
            fc: Linear::new(32 * 8 * 8, 10),
        }
    }
}

impl Layer for Net {
    fn forward(&self, x: &Tensor) -> Tensor {
        let x = self.pool.forward(&self.conv1.forward(x).relu());
        let x = self.pool.forward(&self.conv2.forward(&x).relu());
        self.fc.forward(&x.flatten(1, -1))
    }
}

/// Trains and returns the accuracy on the test images.
pub fn run(train: ImageSet, test: ImageSet, epochs: usize) -> Result<f64> {
    manual_seed(0);
    let transform = || Pipeline::new().then(Normalize::new(&[0.5; 3], &[0.5; 3]));
    let train_loader = Loader::new(train, 100).shuffle(0).transform(transform());
    let test_loader = Loader::new(test, 100).transform(transform());

    let net = Net::new();
    assert_eq!(net.parameter_count(), 25_578);
    let optimizer = Sgd::new(0.001).momentum(0.9).optimize(net.parameters());

    for epoch in 0..epochs {
        let mut running_loss = 0.0;
        for batch in train_loader.epoch(epoch as u64) {
            let batch = batch?;
            let outputs = net.forward(&batch.input);
            let loss = cross_entropy(&outputs, &batch.target);
            optimizer.step(&loss.backward())?;
            running_loss += loss.item::<f64>();
        }
        println!("Epoch {}, Loss: {:.4}", epoch + 1, running_loss / train_loader.len() as f64);
    }

    net.eval();
    let mut accuracy = Accuracy::new();
    no_grad(|| {
        test_loader.epoch(0).try_for_each(|batch| {
            let batch = batch?;
            accuracy.update(&net.forward(&batch.input), &batch.target)
        })
    })?;
    let percent = 100.0 * accuracy.value();
    println!("Accuracy of the network on the {} test images: {percent} %", test_loader.samples());
    Ok(accuracy.value())
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let epochs = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(10);
    let data = arguments.next().map(std::path::PathBuf::from);
    let load = |split| datasets::load(datasets::Name::Cifar10, split, data.as_deref(), &mut |_| ());
    run(load(Split::Train)?, load(Split::Test)?, epochs).map(|_| ())
}
