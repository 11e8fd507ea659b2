//! Candle's side of the comparison: `peer-candle WORKLOAD "" THREADS`; see `blocks`.
//!
//! W1, W2, W3 and W5. Its gradient of a pooling wants sizes that the window divides, which W4 does not have; W6 to W8 are
//! not written for it.

use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::{AdamW, Conv2d, Conv2dConfig, Linear, Module, Optimizer, ParamsAdamW, VarBuilder, VarMap};
use candle_nn::{conv2d, linear, loss};
use peer_blocks::{answer, refuse, workload};

/// Stochastic gradient descent with momentum, which Candle does not have.
struct Momentum {
    lr: f64,
    momentum: f64,
    variables: Vec<(Var, Option<Tensor>)>,
}

impl Momentum {
    fn step(&mut self, loss: &Tensor) -> Result<()> {
        let gradients = loss.backward()?;
        for (variable, velocity) in &mut self.variables {
            let Some(gradient) = gradients.get(variable) else { continue };
            let next = match velocity {
                Some(velocity) => ((&*velocity * self.momentum)? + gradient)?,
                None => gradient.clone(),
            };
            variable.set(&variable.as_tensor().sub(&(&next * self.lr)?)?)?;
            *velocity = Some(next.detach());
        }
        Ok(())
    }
}

/// What updates the parameters.
enum Update {
    Momentum(Momentum),
    Adam(AdamW),
}

impl Update {
    fn sgd(lr: f64, variables: Vec<Var>) -> Result<Update> {
        let variables = variables.into_iter().map(|variable| (variable, None)).collect();
        Ok(Update::Momentum(Momentum { lr, momentum: 0.9, variables }))
    }

    /// AdamW without decay is Adam.
    fn adam(variables: Vec<Var>) -> Result<Update> {
        let settings = ParamsAdamW { lr: 1e-3, weight_decay: 0.0, ..ParamsAdamW::default() };
        Ok(Update::Adam(AdamW::new(variables, settings)?))
    }

    fn step(&mut self, loss: &Tensor) -> Result<()> {
        match self {
            Update::Momentum(momentum) => momentum.step(loss),
            Update::Adam(adam) => adam.backward_step(loss),
        }
    }
}

struct Mlp {
    layers: Vec<Linear>,
    relu: bool,
}

impl Mlp {
    fn new(sizes: &[usize], relu: bool, weights: VarBuilder) -> Result<Mlp> {
        let layer = |(i, pair): (usize, &[usize])| linear(pair[0], pair[1], weights.pp(i));
        Ok(Mlp { layers: sizes.windows(2).enumerate().map(layer).collect::<Result<_>>()?, relu })
    }
}

impl Module for Mlp {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = x.clone();
        for (i, layer) in self.layers.iter().enumerate() {
            x = layer.forward(&if i > 0 && self.relu { x.relu()? } else { x })?;
        }
        Ok(x)
    }
}

struct Cnn {
    convolutions: [Conv2d; 2],
    head: Linear,
}

impl Cnn {
    fn new(weights: VarBuilder) -> Result<Cnn> {
        let padded = Conv2dConfig { padding: 1, ..Default::default() };
        let convolutions = [conv2d(3, 16, 3, padded, weights.pp("0"))?, conv2d(16, 32, 3, padded, weights.pp("1"))?];
        Ok(Cnn { convolutions, head: linear(2048, 10, weights.pp("2"))? })
    }
}

impl Module for Cnn {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = x.clone();
        for convolution in &self.convolutions {
            x = convolution.forward(&x)?.relu()?.max_pool2d(2)?;
        }
        self.head.forward(&x.flatten_from(1)?)
    }
}

fn main() -> Result<()> {
    let workload = workload("candle");
    let (device, variables) = (Device::Cpu, VarMap::new());
    let weights = VarBuilder::from_varmap(&variables, DType::F32, &device);
    let image: &[usize] = &[3, 32, 32];
    let (model, sample, batches, batch): (Box<dyn Module>, &[usize], usize, usize) = match workload.as_str() {
        "W1_mlp_seed1" => (Box::new(Mlp::new(&[784, 128, 64, 10], false, weights)?), &[784], 100, 64),
        "W2_cnn_seed0" => (Box::new(Cnn::new(weights)?), image, 20, 100),
        "W3_dense_keras" => (Box::new(Mlp::new(&[784, 32, 10], true, weights)?), &[784], 200, 32),
        "W5_mlp_seed4" => (Box::new(Mlp::new(&[784, 128, 10], true, weights)?), &[784], 200, 32),
        _ => refuse(&format!("candle does not do {workload}")),
    };
    let mut update = match workload.as_str() {
        "W1_mlp_seed1" => Update::sgd(0.01, variables.all_vars())?,
        "W2_cnn_seed0" => Update::sgd(0.001, variables.all_vars())?,
        _ => Update::adam(variables.all_vars())?,
    };
    let x = Tensor::randn(0f32, 1.0, [&[batches * batch], sample].concat(), &device)?;
    let y = Tensor::rand(0f32, 10.0, batches * batch, &device)?.to_dtype(DType::U32)?;
    let mut next = 0;
    let mut step = || {
        let start = next % batches * batch;
        next += 1;
        let (x, y) = (x.narrow(0, start, batch)?, y.narrow(0, start, batch)?);
        update.step(&loss::cross_entropy(&model.forward(&x)?, &y)?)
    };
    answer("candle 0.11.1", || {
        if let Err(error) = step() {
            refuse(&error.to_string());
        }
    });
    Ok(())
}
