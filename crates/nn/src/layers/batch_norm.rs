//! `BatchNorm1d`, `BatchNorm2d`, `BatchNorm3d` (Ioffe and Szegedy, ICML 2015, arXiv:1502.03167).

use super::lazy::Lazy;
use crate::{Layer, compat};
use hadal_core::{DType, Error, Mode, Module, Param, Result, Tag, Tensor, no_grad};

/// Brings each channel of `[batch, channels, …]` to mean 0 and variance 1, then `·weight + bias`.
///
/// In training by the batch's own statistics, of which running means are kept:
/// `running ← (1 − momentum) · running + momentum · batch`, with the unbiased variance. In evaluation by those.
#[derive(Debug, Module)]
pub struct BatchNorm<const D: usize> {
    /// `[channels]`, starts as ones.
    pub weight: Option<Param>,
    /// `[channels]`, starts as zeros.
    pub bias: Option<Param>,
    /// `[channels]`
    pub running_mean: Option<Param>,
    /// `[channels]`
    pub running_var: Option<Param>,
    /// `i64` of rank 0.
    pub num_batches_tracked: Option<Param>,
    eps: f64,
    momentum: Option<f64>,
    #[module(config)]
    lazy: Option<Lazy>,
    mode: Mode,
    tag: Tag,
}

/// `[batch, channels]` or `[batch, channels, length]`
pub type BatchNorm1d = BatchNorm<1>;
/// `[batch, channels, height, width]`
pub type BatchNorm2d = BatchNorm<2>;
/// `[batch, channels, depth, height, width]`
pub type BatchNorm3d = BatchNorm<3>;

impl<const D: usize> BatchNorm<D> {
    const KIND: &'static str = ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d"][D - 1];

    /// For this many channels; eps 1e-5, momentum 0.1.
    pub fn new(channels: usize) -> BatchNorm<D> {
        let norm = BatchNorm::lazy();
        norm.size(channels);
        BatchNorm { lazy: None, ..norm }
    }

    /// For as many channels as the first input has.
    pub fn lazy() -> BatchNorm<D> {
        let defaults = compat::current();
        let buffer = || Some(Param::buffer(Tensor::zeros(crate::state::UNSET)));
        BatchNorm {
            weight: Some(Lazy::param()),
            bias: Some(Lazy::param()),
            running_mean: buffer(),
            running_var: buffer(),
            num_batches_tracked: Some(Param::buffer(Tensor::from(0i64))),
            eps: defaults.choose(1e-5, 1e-3),
            momentum: Some(defaults.choose(0.1, 0.01)),
            lazy: Some(Lazy::new(0)),
            mode: Mode::default(),
            tag: Tag::new(Self::KIND),
        }
    }

    fn size(&self, channels: usize) {
        let (ones, zeros) = (Tensor::ones(channels), Tensor::zeros(channels));
        [&self.weight, &self.running_var].into_iter().flatten().for_each(|param| param.replace(&ones));
        [&self.bias, &self.running_mean].into_iter().flatten().for_each(|param| param.replace(&zeros));
    }

    /// What is added to the variance.
    pub fn eps(self, eps: f64) -> BatchNorm<D> {
        BatchNorm { eps, ..self }
    }

    /// The share of a new batch in the running statistics (Keras counts the other way: its 0.99 is 0.01 here).
    /// `None` keeps the plain mean of all batches.
    pub fn momentum(self, momentum: impl Into<Option<f64>>) -> BatchNorm<D> {
        BatchNorm { momentum: momentum.into(), ..self }
    }

    /// Without weight and bias.
    pub fn without_affine(self) -> BatchNorm<D> {
        BatchNorm { weight: None, bias: None, ..self }
    }

    /// Without running statistics: evaluation uses the batch's own too.
    pub fn without_running_stats(self) -> BatchNorm<D> {
        BatchNorm { running_mean: None, running_var: None, num_batches_tracked: None, ..self }
    }

    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        if !(x.rank() == D + 2 || D == 1 && x.rank() == 2) {
            let expected = [
                "[batch, channels] or [batch, channels, length]",
                "[batch, channels, height, width]",
                "[batch, channels, depth, height, width]",
            ];
            let message = format!("takes {}, got an input of shape {}", expected[D - 1], x.shape());
            return Err(Error::op(Self::KIND, message));
        }
        if let (Some(lazy), Some(any)) = (&self.lazy, self.running_mean.as_ref().or(self.weight.as_ref())) {
            lazy.fill(any, |_, _| self.size(x.shape()[1]));
        }
        let (weight, bias) = (self.weight.as_ref().map(Param::get), self.bias.as_ref().map(Param::get));
        let made_for = weight.clone().or_else(|| self.running_mean.as_ref().map(Param::get));
        if let Some(channels) = made_for.map(|t| t.elements()).filter(|channels| *channels != x.shape()[1]) {
            let (kind, got) = (Self::KIND, x.shape()[1]);
            let message =
                format!("expects {channels} channels, got {got} (input {}); use {kind}::new({got})", x.shape());
            return Err(Error::op(kind, message));
        }
        if let (Some(mean), Some(variance), false) = (&self.running_mean, &self.running_var, self.mode.is_training()) {
            return x.try_batch_norm_eval(&mean.get(), &variance.get(), weight.as_ref(), bias.as_ref(), self.eps);
        }
        let (y, mean, variance) = x.try_batch_norm_train(weight.as_ref(), bias.as_ref(), self.eps)?;
        // A batch without elements has no statistics.
        if self.mode.is_training() && x.elements() > 0 {
            no_grad(|| self.observe(&mean, &variance))?;
        }
        Ok(y)
    }

    /// Takes a batch's statistics into the running ones.
    fn observe(&self, mean: &Tensor, variance: &Tensor) -> Result<()> {
        let (Some(running_mean), Some(running_var), Some(batches)) =
            (&self.running_mean, &self.running_var, &self.num_batches_tracked)
        else {
            return Ok(());
        };
        let count = batches.get().try_add(1)?;
        batches.set(&count)?;
        // Without a momentum, the mean of all batches.
        let share = match self.momentum {
            Some(momentum) => Tensor::from(momentum),
            None => count.try_to_dtype(DType::F64)?.try_reciprocal()?,
        };
        let rest = share.try_neg()?.try_add(1.0)?;
        for (running, new) in [(running_mean, mean), (running_var, variance)] {
            let part = |t: &Tensor, share: &Tensor| t.try_mul(share.try_to_dtype(t.dtype())?);
            running.set(&part(&running.get(), &rest)?.try_add(part(new, &share)?)?)?;
        }
        Ok(())
    }
}

impl<const D: usize> Layer for BatchNorm<D> {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.tag.call(x, || self.apply(x))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::recorded::compare;
    use hadal_core::testing::Attributes;
    use hadal_core::{DType, ModuleExt};

    fn recorded<const D: usize>(a: &Attributes) -> Box<dyn Layer> {
        let mut layer = BatchNorm::<D>::new(a.integer("features") as usize);
        layer = layer.eps(a.float("eps")).momentum(a.float_opt("momentum"));
        layer = if a.flag("affine") { layer } else { layer.without_affine() };
        Box::new(if a.flag("track_running_stats") { layer } else { layer.without_running_stats() })
    }

    #[test]
    fn computes_what_pytorch_computes() {
        compare("BatchNorm1d", recorded::<1>);
        compare("BatchNorm2d", recorded::<2>);
        compare("BatchNorm3d", recorded::<3>);
    }

    #[test]
    fn names_and_types_are_pytorchs() {
        let state = BatchNorm2d::new(4).named_state();
        let names: Vec<&str> = state.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]);
        assert_eq!(state[4].1.get().dtype(), DType::I64);
        assert_eq!(BatchNorm2d::new(4).parameter_count(), 8);
    }

    #[test]
    fn building_leaves_the_statistics_alone() {
        let norm = BatchNorm2d::lazy();
        assert_eq!(norm.build(&[2, 3, 4, 4]), [2, 3, 4, 4]);
        assert_eq!(norm.running_var.as_ref().unwrap().get().to_vec::<f32>(), [1.0; 3]);
        norm.forward(&Tensor::zeros([2, 3, 4, 4]));
        assert_eq!(norm.num_batches_tracked.as_ref().unwrap().get().item::<i64>(), 1);
    }

    #[test]
    fn a_batch_without_elements_leaves_the_statistics_alone() {
        let norm = BatchNorm1d::new(2);
        assert_eq!(norm.forward(&Tensor::zeros([0, 2])).shape()[..], [0, 2]);
        assert_eq!(norm.running_mean.as_ref().unwrap().get().to_vec::<f32>(), [0.0; 2]);
        assert_eq!(norm.running_var.as_ref().unwrap().get().to_vec::<f32>(), [1.0; 2]);
    }

    #[test]
    fn keras_statistics_move_slower() {
        let norm = crate::compat::keras(|| BatchNorm1d::new(1));
        norm.forward(&Tensor::from([[1.0f32], [3.0]]));
        let mean = norm.running_mean.unwrap().get().item::<f32>();
        assert!((mean - 0.02).abs() < 1e-7, "{mean}");
    }

    #[test]
    fn a_wrong_rank_is_explained() {
        let error = BatchNorm2d::new(3).apply(&Tensor::zeros([8, 3])).unwrap_err().to_string();
        assert_eq!(error, "BatchNorm2d takes [batch, channels, height, width], got an input of shape [8, 3]");
    }
}
