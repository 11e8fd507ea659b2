//! `InstanceNorm1d`, `InstanceNorm2d`, `InstanceNorm3d` (Ulyanov, Vedaldi and Lempitsky 2016, arXiv:1607.08022).

use crate::{Layer, compat};
use hadal_core::{Error, Mode, Module, Param, Result, Tag, Tensor, no_grad};

/// Brings each channel of each sample of `[batch, channels, …]` to mean 0 and variance 1.
///
/// As in PyTorch it has neither parameters nor running statistics unless asked for.
#[derive(Debug, Module)]
pub struct InstanceNorm<const D: usize> {
    /// `[channels]`
    pub weight: Option<Param>,
    /// `[channels]`
    pub bias: Option<Param>,
    /// `[channels]`
    pub running_mean: Option<Param>,
    /// `[channels]`
    pub running_var: Option<Param>,
    /// Kept for PyTorch's files; stays 0.
    pub num_batches_tracked: Option<Param>,
    channels: usize,
    eps: f64,
    momentum: Option<f64>,
    mode: Mode,
    tag: Tag,
}

/// `[batch, channels, length]`
pub type InstanceNorm1d = InstanceNorm<1>;
/// `[batch, channels, height, width]`
pub type InstanceNorm2d = InstanceNorm<2>;
/// `[batch, channels, depth, height, width]`
pub type InstanceNorm3d = InstanceNorm<3>;

impl<const D: usize> InstanceNorm<D> {
    const KIND: &'static str = ["InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"][D - 1];

    /// For this many channels; eps 1e-5.
    pub fn new(channels: usize) -> InstanceNorm<D> {
        InstanceNorm {
            weight: None,
            bias: None,
            running_mean: None,
            running_var: None,
            num_batches_tracked: None,
            channels,
            eps: compat::current().choose(1e-5, 1e-3),
            momentum: Some(0.1),
            mode: Mode::default(),
            tag: Tag::new(Self::KIND),
        }
    }

    /// What is added to the variance.
    pub fn eps(self, eps: f64) -> InstanceNorm<D> {
        InstanceNorm { eps, ..self }
    }

    /// With a learned weight (ones) and bias (zeros) per channel.
    pub fn affine(self) -> InstanceNorm<D> {
        let (weight, bias) = (Tensor::ones(self.channels), Tensor::zeros(self.channels));
        InstanceNorm { weight: Some(Param::new(weight)), bias: Some(Param::new(bias)), ..self }
    }

    /// With running statistics, which evaluation uses; `momentum` is the share of a new batch, `None` for none.
    pub fn running_stats(self, momentum: impl Into<Option<f64>>) -> InstanceNorm<D> {
        InstanceNorm {
            running_mean: Some(Param::buffer(Tensor::zeros(self.channels))),
            running_var: Some(Param::buffer(Tensor::ones(self.channels))),
            num_batches_tracked: Some(Param::buffer(Tensor::from(0i64))),
            momentum: momentum.into(),
            ..self
        }
    }

    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let batched = match x.rank() {
            n if n == D + 2 => x.clone(),
            n if n == D + 1 => x.try_unsqueeze(0)?,
            _ => {
                return Err(Error::op(
                    Self::KIND,
                    format!("takes [batch, channels, …] over {D} axes, got {}", x.shape()),
                ));
            }
        };
        let (weight, bias) = (self.weight.as_ref().map(Param::get), self.bias.as_ref().map(Param::get));
        let y = match (&self.running_mean, &self.running_var) {
            (Some(mean), Some(variance)) if !self.mode.is_training() => {
                batched.try_batch_norm_eval(&mean.get(), &variance.get(), weight.as_ref(), bias.as_ref(), self.eps)?
            }
            (Some(mean), Some(variance)) => {
                no_grad(|| self.observe(&batched, mean, variance))?;
                batched.try_instance_norm(weight.as_ref(), bias.as_ref(), self.eps)?
            }
            _ => batched.try_instance_norm(weight.as_ref(), bias.as_ref(), self.eps)?,
        };
        y.try_reshape(x.shape())
    }

    /// Takes the means over the batch of each channel's mean and unbiased variance into the running ones.
    fn observe(&self, x: &Tensor, running_mean: &Param, running_var: &Param) -> Result<()> {
        let share = self.momentum.unwrap_or(0.0);
        let (variance, mean) = x.detach().try_flatten(2, -1)?.try_var_mean(-1)?;
        for (running, new) in [(running_mean, mean), (running_var, variance)] {
            running.set(&running.get().try_mul(1.0 - share)?.try_add(new.try_mean(0)?.try_mul(share)?)?)?;
        }
        Ok(())
    }
}

impl<const D: usize> Layer for InstanceNorm<D> {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.tag.call(x, || self.apply(x))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::recorded::compare;

    #[test]
    fn computes_what_pytorch_computes() {
        compare("InstanceNorm2d", |a| {
            let mut layer = InstanceNorm2d::new(a.integer("features") as usize).eps(a.float("eps"));
            layer = if a.flag("affine") { layer.affine() } else { layer };
            Box::new(match a.flag("track_running_stats") {
                true => layer.running_stats(a.float_opt("momentum")),
                false => layer,
            })
        });
    }
}
