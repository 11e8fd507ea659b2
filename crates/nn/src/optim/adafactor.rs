//! Adafactor (Shazeer and Stern, ICML 2018, arXiv:1804.04235), as PyTorch has it.

use super::rule::check;
use super::{Moment, Norm, Real, Rule, Slot};
use hadal_core::{DType, Error, Result, Tensor, dispatch, no_grad};

/// An adaptive method that keeps one number per row and per column of a matrix instead of one per element.
///
/// The step is relative to the parameter's own size, and clipped. Keeps `row_var` and `col_var` for parameters of two
/// axes or more (factored along the last two), `variance` for the others.
#[derive(Clone, Debug)]
pub struct Adafactor {
    lr: f64,
    beta2_decay: f64,
    smallest_size: f64,
    clip: f64,
    weight_decay: f64,
}

impl Adafactor {
    /// The mean square forgets as `1 − t^−0.8`; a parameter counts as of size 1e-3 at least; updates are clipped at 1.
    #[track_caller]
    pub fn new(lr: f64) -> Adafactor {
        check("Adafactor", "learning rate", lr, None);
        Adafactor { lr, beta2_decay: -0.8, smallest_size: 1e-3, clip: 1.0, weight_decay: 0.0 }
    }

    /// The (negative) power of the step with which new squares come in.
    #[track_caller]
    pub fn beta2_decay(mut self, power: f64) -> Adafactor {
        if power > 0.0 {
            Error::op("Adafactor", format!("needs a beta2 decay of 0 or less, got {power}")).raise();
        }
        self.beta2_decay = power;
        self
    }

    /// The largest root mean square of an update.
    #[track_caller]
    pub fn clip(mut self, clip: f64) -> Adafactor {
        check("Adafactor", "clip", clip, None);
        self.clip = clip;
        self
    }

    /// The share of a parameter that a step at rate 1 takes away.
    #[track_caller]
    pub fn weight_decay(mut self, weight_decay: f64) -> Adafactor {
        check("Adafactor", "weight decay", weight_decay, None);
        self.weight_decay = weight_decay;
        self
    }

    fn run<T: Real>(&self, slot: &Slot, gradient: &Tensor, step: u64) -> Result<()> {
        let step = step as f64;
        let root_mean_square = |t: &Tensor| Norm::L2.of(t) / (t.elements() as f64).sqrt();
        let size = root_mean_square(&slot.param().get()).max(self.smallest_size);
        let rate = size * self.lr.min(1.0 / step.sqrt());
        let eps = if T::DTYPE == DType::F32 { f32::EPSILON as f64 } else { f64::EPSILON };
        let squares = gradient.try_square()?;
        let fresh = libm::pow(step, self.beta2_decay);
        let blend = |name: &str, new: Tensor| -> Result<Tensor> {
            let old = slot.moment(name).get();
            let blended = old.try_add(new.try_sub(&old)?.try_mul(fresh)?)?;
            slot.moment(name).set(&blended)?;
            Ok(blended)
        };
        let variance = if gradient.rank() > 1 {
            let rows = blend("row_var", squares.try_mean_keepdim(-1)?)?;
            let columns = blend("col_var", squares.try_mean_keepdim(-2)?)?;
            rows.try_matmul(columns)?.try_div(rows.try_mean_keepdim(-2)?.try_clamp_min(eps)?)?
        } else {
            blend("variance", squares)?
        };
        let update = variance.try_clamp_min(eps * eps)?.try_rsqrt()?.try_mul(gradient)?;
        let divisor = (root_mean_square(&update) / self.clip).max(1.0);
        let [scale, shrink] = [rate / divisor, 1.0 - self.lr * self.weight_decay].map(T::from_f64);
        slot.each(&update, |u: T, [p]| *p = *p * shrink - scale * u);
        Ok(())
    }
}

impl Default for Adafactor {
    /// At the usual rate of 0.01.
    fn default() -> Adafactor {
        Adafactor::new(0.01)
    }
}

impl Rule for Adafactor {
    fn name(&self) -> &'static str {
        "Adafactor"
    }

    fn lr(&self) -> f64 {
        self.lr
    }

    fn set_lr(&mut self, lr: f64) {
        self.lr = lr;
    }

    fn moments(&self, value: &Tensor) -> Vec<Moment> {
        let zeros = |axis: usize| {
            let mut shape = value.shape().clone();
            shape.sizes_mut()[axis] = 1;
            Tensor::zeros_with(shape, value.dtype())
        };
        match value.rank() {
            0 | 1 => vec![("variance", value.zeros_like())],
            n => vec![("row_var", zeros(n - 1)), ("col_var", zeros(n - 2))],
        }
    }

    fn update(&self, slot: &Slot, gradient: &Tensor, step: u64) {
        no_grad(|| dispatch!(reals gradient.dtype(), T => self.run::<T>(slot, gradient, step)))
            .unwrap_or_else(|error| error.raise());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::trajectory::compare;

    #[test]
    fn follows_pytorch() {
        compare("Adafactor", 1e-12, |a| {
            Adafactor::new(a.float("lr"))
                .beta2_decay(a.float_or("beta2_decay", -0.8))
                .clip(a.float_or("d", 1.0))
                .weight_decay(a.float_or("weight_decay", 0.0))
        });
    }
}
