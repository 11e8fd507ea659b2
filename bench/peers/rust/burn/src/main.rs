//! Burn's side of the comparison, on its backend Flex: `peer-burn WORKLOAD "" THREADS`; see `blocks`.
//!
//! W1 to W6: W7 and W8 are not written for it.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::gru::{Gru, GruConfig};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig, Lstm, LstmConfig, PaddingConfig2d};
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Distribution, Int, Tensor};
use peer_blocks::{answer, refuse, workload};

#[derive(Module, Debug)]
struct Mlp {
    layers: Vec<Linear>,
    relu: bool,
}

impl Mlp {
    fn new(sizes: &[usize], relu: bool, device: &Device) -> Mlp {
        let layers = sizes.windows(2).map(|pair| LinearConfig::new(pair[0], pair[1]).init(device)).collect();
        Mlp { layers, relu }
    }

    fn forward(&self, mut x: Tensor<2>) -> Tensor<2> {
        for (i, layer) in self.layers.iter().enumerate() {
            x = layer.forward(if i > 0 && self.relu { relu(x) } else { x });
        }
        x
    }
}

/// Convolutions 3×3 with ReLU, the first two followed by a pooling, then dense layers.
#[derive(Module, Debug)]
struct Cnn {
    convolutions: Vec<Conv2d>,
    pool: MaxPool2d,
    head: Mlp,
}

impl Cnn {
    fn new(channels: &[usize], padding: usize, head: &[usize], device: &Device) -> Cnn {
        let padding = PaddingConfig2d::Explicit(padding, padding, padding, padding);
        let convolution =
            |pair: &[usize]| Conv2dConfig::new([pair[0], pair[1]], [3, 3]).with_padding(padding.clone()).init(device);
        Cnn {
            convolutions: channels.windows(2).map(convolution).collect(),
            pool: MaxPool2dConfig::new([2, 2]).init(),
            head: Mlp::new(head, true, device),
        }
    }

    fn forward(&self, mut x: Tensor<4>) -> Tensor<2> {
        for (i, convolution) in self.convolutions.iter().enumerate() {
            x = relu(convolution.forward(x));
            x = if i < 2 { self.pool.forward(x) } else { x };
        }
        self.head.forward(x.flatten(1, 3))
    }
}

#[derive(Module, Debug)]
struct LstmModel {
    embedding: Embedding,
    layers: Vec<Lstm>,
    head: Linear,
}

impl LstmModel {
    fn forward(&self, x: Tensor<2, Int>) -> Tensor<2> {
        let x = self.layers.iter().fold(self.embedding.forward(x), |x, layer| layer.forward(x, None).0);
        self.head.forward(x).flatten(0, 1)
    }
}

#[derive(Module, Debug)]
struct GruModel {
    embedding: Embedding,
    layers: Vec<Gru>,
    head: Linear,
}

impl GruModel {
    fn forward(&self, x: Tensor<2, Int>) -> Tensor<2> {
        let x = self.layers.iter().fold(self.embedding.forward(x), |x, layer| layer.forward(x, None));
        self.head.forward(x).flatten(0, 1)
    }
}

/// So many batches of images, with labels from ten classes.
fn images<const D: usize>(
    batches: usize,
    batch: usize,
    sample: [usize; D],
    device: &Device,
) -> (Tensor<D>, Tensor<1, Int>) {
    let mut shape = sample;
    shape[0] = batches * batch;
    let labels = Tensor::<1>::random([shape[0]], Distribution::Uniform(0.0, 10.0), device).int();
    (Tensor::random(shape, Distribution::Normal(0.0, 1.0), device), labels)
}

/// So many batches of sequences of 64 of 96 tokens, each with a next token.
fn tokens(batches: usize, batch: usize, device: &Device) -> (Tensor<2, Int>, Tensor<2, Int>) {
    let numbers = || Tensor::<2>::random([batches * batch, 64], Distribution::Uniform(0.0, 96.0), device).int();
    (numbers(), numbers())
}

fn sgd(lr: f64) -> (ModuleOptimizer, f64) {
    let momentum = MomentumConfig::new().with_momentum(0.9).with_dampening(0.0);
    (SgdConfig::new().with_momentum(Some(momentum)).init(), lr)
}

fn adam() -> (ModuleOptimizer, f64) {
    (AdamConfig::new().with_epsilon(1e-8).init(), 1e-3)
}

/// Steps that take the next batch, round and round: `batch` says which, `forward` gives logits and targets.
fn train<M: Module>(
    model: M,
    (mut optimizer, lr): (ModuleOptimizer, f64),
    batches: usize,
    device: &Device,
    forward: impl Fn(&M, usize) -> (Tensor<2>, Tensor<1, Int>),
) {
    let loss = CrossEntropyLossConfig::new().init(device);
    let (mut model, mut next) = (Some(model), 0);
    answer("burn 0.22.1 (flex)", || {
        let now = model.take().expect("it is put back");
        let (logits, targets) = forward(&now, next % batches);
        next += 1;
        let gradients = loss.forward(logits, targets).backward();
        let gradients = GradientsParams::from_grads(gradients, &now);
        model = Some(optimizer.step(lr, now, gradients));
    });
}

fn main() {
    let workload = workload("burn");
    let plain = Device::flex();
    let device = &plain.clone().autodiff();
    let dense = |sizes: &[usize], relu, optimizer, batches, batch| {
        let (x, y) = images(batches, batch, [0, 784], device);
        train(Mlp::new(sizes, relu, device), optimizer, batches, device, |model, i| {
            (model.forward(x.clone().narrow(0, i * batch, batch)), y.clone().narrow(0, i * batch, batch))
        });
    };
    let convolutional = |model: Cnn, optimizer, batches, batch| {
        let (x, y) = images(batches, batch, [0, 3, 32, 32], device);
        train(model, optimizer, batches, device, |model: &Cnn, i| {
            (model.forward(x.clone().narrow(0, i * batch, batch)), y.clone().narrow(0, i * batch, batch))
        });
    };
    let (embedding, head) = (EmbeddingConfig::new(96, 128), LinearConfig::new(256, 96));
    let (x, y) = tokens(10, 32, device);
    let next = |i: usize| (x.clone().narrow(0, i * 32, 32), y.clone().narrow(0, i * 32, 32).flatten(0, 1));
    match workload.as_str() {
        "W1_mlp_seed1" => dense(&[784, 128, 64, 10], false, sgd(0.01), 100, 64),
        "W2_cnn_seed0" => convolutional(Cnn::new(&[3, 16, 32], 1, &[2048, 10], device), sgd(0.001), 20, 100),
        "W3_dense_keras" => dense(&[784, 32, 10], true, adam(), 200, 32),
        "W4_cnn_keras" => convolutional(Cnn::new(&[3, 32, 64, 64], 0, &[1024, 64, 10], device), adam(), 50, 32),
        "W5_mlp_seed4" => dense(&[784, 128, 10], true, adam(), 200, 32),
        "W6_lstm_lm" => {
            let layers = [128, 256].map(|inputs| LstmConfig::new(inputs, 256, true).init(device)).into();
            let model = LstmModel { embedding: embedding.init(device), layers, head: head.init(device) };
            train(model, adam(), 10, device, |model, i| (model.forward(next(i).0), next(i).1));
        }
        "W6_gru_lm" => {
            let layers = [128, 256].map(|inputs| GruConfig::new(inputs, 256, true).init(device)).into();
            let model = GruModel { embedding: embedding.init(device), layers, head: head.init(device) };
            train(model, adam(), 10, device, |model, i| (model.forward(next(i).0), next(i).1));
        }
        _ => refuse(&format!("burn does not do {workload}")),
    }
}
