//! W1 to W8: a step is a forward pass, the loss, the gradients and the optimizer's update, on data in memory.

use super::{Measure, Workload};
use hadal::format::model_file::weights_sha256;
use hadal::models;
use hadal::prelude::*;
use std::rc::Rc;

/// Name, description, batch size, and what makes the model, the optimizer and the data for a batch size.
type Row = (&'static str, &'static str, usize, fn(usize) -> Training);

pub fn all() -> Vec<Workload> {
    let workload = |&(name, about, batch, _): &Row| {
        Workload::new(name, about, Measure::Training { batch }, move || {
            let mut training = start(name, batch);
            Box::new(move || training.step())
        })
        .with_compiled(move || {
            let mut training = start(name, batch).compiled();
            Box::new(move || training.step())
        })
    };
    ALL.iter().map(workload).collect()
}

/// A workload by its whole name, with batches of a size that need not be its own; everything follows from seed 0.
pub fn start(name: &str, batch: usize) -> Training {
    let (.., make) = ALL.iter().find(|row| row.0 == name).expect("the name of a training workload");
    manual_seed(0);
    make(batch)
}

const ALL: &[Row] = &[
    ("W1_mlp_seed1", "784-128-64-10 without activations, SGD with momentum", 64, |batch| {
        let model = Sequential::new().add(Linear::new(784, 128)).add(Linear::new(128, 64)).add(Linear::new(64, 10));
        Training::new(model, |p| Sgd::new(0.01).momentum(0.9).optimize(p), images(100, batch, &[784]), batch)
    }),
    ("W2_cnn_seed0", "3→16→32 filters 3×3, 10 classes, SGD with momentum", 100, |batch| {
        let model = Sequential::new()
            .add(Conv2d::new(3, 16, 3).padding(1))
            .add(Relu)
            .add(MaxPool2d::new(2))
            .add(Conv2d::new(16, 32, 3).padding(1))
            .add(Relu)
            .add(MaxPool2d::new(2))
            .add(Flatten::new())
            .add(Linear::new(2048, 10));
        Training::new(model, |p| Sgd::new(0.001).momentum(0.9).optimize(p), images(20, batch, &[3, 32, 32]), batch)
    }),
    ("W3_dense_keras", "784-32-10 with ReLU, Adam", 32, |batch| {
        let model = Sequential::new().add(Linear::new(784, 32)).add(Relu).add(Linear::new(32, 10));
        Training::new(model, |p| Adam::new(1e-3).optimize(p), images(200, batch, &[784]), batch)
    }),
    ("W4_cnn_keras", "32, 64, 64 filters 3×3, 64 hidden units, Adam", 32, |batch| {
        let spec = models::Spec { input: vec![3, 32, 32], outputs: 10 };
        let model = models::keras_cnn(&spec).expect("images of 32 by 32");
        Training::new(model, |p| Adam::new(1e-3).optimize(p), images(50, batch, &[3, 32, 32]), batch)
    }),
    ("W5_mlp_seed4", "784-128-10 with ReLU, Adam", 32, |batch| {
        let model = Sequential::new().add(Linear::new(784, 128)).add(Relu).add(Linear::new(128, 10));
        Training::new(model, |p| Adam::new(1e-3).optimize(p), images(200, batch, &[784]), batch)
    }),
    ("W6_lstm_lm", "embedding 96×128, two LSTM layers of 256, 64 steps, Adam", 32, |batch| {
        let layers = Sequential::new().add(Embedding::new(96, 128)).add(Lstm::new(128, 256).layers(2));
        let model = layers.add(Linear::new(256, 96));
        Training::new(model, |p| Adam::new(1e-3).optimize(p), tokens(10, batch, 64, 96), batch)
    }),
    ("W6_gru_lm", "embedding 96×128, two GRU layers of 256, 64 steps, Adam", 32, |batch| {
        let layers = Sequential::new().add(Embedding::new(96, 128)).add(Gru::new(128, 256).layers(2));
        let model = layers.add(Linear::new(256, 96));
        Training::new(model, |p| Adam::new(1e-3).optimize(p), tokens(10, batch, 64, 96), batch)
    }),
    ("W7_gpt_small", "4 blocks of width 256 with 8 heads, 128 tokens of 4096, AdamW", 16, |batch| {
        let model = models::Gpt::new(&models::GptSize::default());
        Training::new(model, |p| AdamW::new(3e-4).optimize(p), tokens(10, batch, 128, 4096), batch)
    }),
    ("W8_resnet18_cifar", "ResNet-18, 10 classes, 3×32×32, SGD with momentum", 64, |batch| {
        let model = models::resnet18(3, 10);
        Training::new(model, |p| Sgd::new(0.01).momentum(0.9).optimize(p), images(10, batch, &[3, 32, 32]), batch)
    }),
];

/// So many batches of normally distributed samples of a shape, with labels from ten classes.
fn images(batches: usize, batch: usize, sample: &[usize]) -> (Tensor, Tensor) {
    let n = batches * batch;
    (Tensor::randn([&[n], sample].concat()), Tensor::randint(0, 10, n))
}

/// So many batches of sequences of a vocabulary, each with a next token.
fn tokens(batches: usize, batch: usize, length: usize, vocabulary: i64) -> (Tensor, Tensor) {
    let shape = [batches * batch, length];
    (Tensor::randint(0, vocabulary, shape), Tensor::randint(0, vocabulary, shape))
}

/// One step on a batch of inputs and targets.
type Step = Box<dyn Fn(&Tensor, &Tensor)>;

/// A model with its step, and the data that the steps take a batch of each, round and round.
pub struct Training {
    model: Rc<dyn Layer>,
    step: Step,
    inputs: Tensor,
    targets: Tensor,
    batch: usize,
    next: usize,
}

impl Training {
    fn new(
        model: impl Layer + 'static,
        optimizer: impl Fn(Vec<Param>) -> Optimizer,
        (inputs, targets): (Tensor, Tensor),
        batch: usize,
    ) -> Training {
        let (optimizer, model) = (optimizer(model.parameters()), Rc::new(model));
        let trained = model.clone();
        let step = Box::new(move |x: &Tensor, y: &Tensor| {
            let logits = trained.forward(x);
            let loss = match logits.rank() {
                2 => cross_entropy(&logits, y),
                _ => cross_entropy(&logits.flatten(0, -2), &y.flatten(0, -1)),
            };
            optimizer.step(&loss.backward()).expect("every parameter has a gradient");
        });
        Training { model, step, inputs, targets, batch, next: 0 }
    }

    /// The same with its step compiled.
    pub fn compiled(self) -> Training {
        let step = self.step;
        let compiled = compile(move |[x, y]: [&Tensor; 2]| step(x, y));
        Training { step: Box::new(move |x, y| compiled.call([x, y])), ..self }
    }

    pub fn step(&mut self) {
        let batches = self.inputs.shape()[0] / self.batch;
        let start = self.next % batches * self.batch;
        self.next += 1;
        (self.step)(&self.inputs.narrow(0, start, self.batch), &self.targets.narrow(0, start, self.batch));
    }

    /// A fingerprint of all parameters and buffers.
    pub fn weights_sha256(&self) -> String {
        let state: Vec<(String, Tensor)> =
            self.model.named_state().into_iter().map(|(name, param)| (name, param.get())).collect();
        weights_sha256(state.iter().map(|(name, tensor)| (name.as_str(), tensor)))
    }
}
