//! Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon): momentum whose direction is orthogonalized.

use super::rule::check;
use super::{Moment, Norm, Real, Rule, Slot};
use hadal_core::{Error, Param, Result, Tensor, dispatch, no_grad};

/// For matrices: `p ← p·(1 − lr·weight_decay) − lr·scale·U`, where `U` is nearly the orthogonal matrix closest to the
/// momentum, so that all directions move alike.
///
/// Give the matrices of hidden layers to it, and biases, norms, embeddings and the head to another rule:
/// `Muon::new(0.02).optimize(matrices).group(AdamW::new(3e-4), others)`. Keeps `momentum_buffer`.
#[derive(Clone, Debug)]
pub struct Muon {
    lr: f64,
    momentum: f64,
    nesterov: bool,
    weight_decay: f64,
    iterations: usize,
    scaling: MuonScaling,
}

/// How Muon's rate depends on a matrix's shape `[rows, columns]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MuonScaling {
    /// `√max(1, rows/columns)`
    #[default]
    Original,
    /// `0.2 · √max(rows, columns)`: updates as large as AdamW's, whose rate can be kept (Liu et al. 2025,
    /// arXiv:2502.16982).
    MatchAdamW,
}

/// Coefficients of the quintic iteration, chosen for the steepest slope at zero.
const QUINTIC: (f64, f64, f64) = (3.4445, -4.775, 2.0315);
/// What keeps a zero matrix from a division by zero.
const EPS: f64 = 1e-7;

impl Muon {
    /// Nesterov momentum 0.95, weight decay 0.1, 5 iterations.
    #[track_caller]
    pub fn new(lr: f64) -> Muon {
        check("Muon", "learning rate", lr, None);
        let scaling = MuonScaling::Original;
        Muon { lr, momentum: 0.95, nesterov: true, weight_decay: 0.1, iterations: 5, scaling }
    }

    /// How much of the last direction is kept.
    #[track_caller]
    pub fn momentum(mut self, momentum: f64) -> Muon {
        check("Muon", "momentum", momentum, Some(1.0));
        self.momentum = momentum;
        self
    }

    /// Without looking a step ahead.
    pub fn without_nesterov(mut self) -> Muon {
        self.nesterov = false;
        self
    }

    /// The share of a parameter that a step at rate 1 takes away.
    #[track_caller]
    pub fn weight_decay(mut self, weight_decay: f64) -> Muon {
        check("Muon", "weight decay", weight_decay, None);
        self.weight_decay = weight_decay;
        self
    }

    /// Newton–Schulz iterations: more are closer to orthogonal.
    pub fn iterations(mut self, iterations: usize) -> Muon {
        self.iterations = iterations;
        self
    }

    /// How the rate depends on the shape.
    pub fn scaling(mut self, scaling: MuonScaling) -> Muon {
        self.scaling = scaling;
        self
    }

    /// Brings all singular values of `g` near 1, by `x ← a·x + (b·xxᵀ + c·(xxᵀ)²)·x` on the shorter side.
    fn orthogonalized(&self, g: &Tensor) -> Result<Tensor> {
        let tall = g.shape()[0] > g.shape()[1];
        let mut x = if tall { g.try_t()? } else { g.clone() };
        x = x.try_mul(1.0 / Norm::L2.of(&x).max(EPS))?;
        let (a, b, c) = QUINTIC;
        for _ in 0..self.iterations {
            let gram = x.try_matmul(x.try_t()?)?;
            let bent = gram.try_mul(b)?.try_add(gram.try_matmul(&gram)?.try_mul(c)?)?;
            x = x.try_mul(a)?.try_add(bent.try_matmul(&x)?)?;
        }
        if tall { x.try_t() } else { Ok(x) }
    }

    fn run<T: Real>(&self, slot: &Slot, gradient: &Tensor) -> Result<()> {
        let buffer = slot.moment("momentum_buffer");
        let old = buffer.get();
        let momentum = old.try_add(gradient.try_sub(&old)?.try_mul(1.0 - self.momentum)?)?;
        buffer.set(&momentum)?;
        let direction = match self.nesterov {
            true => gradient.try_add(momentum.try_sub(gradient)?.try_mul(self.momentum)?)?,
            false => momentum,
        };
        let (rows, columns) = (gradient.shape()[0] as f64, gradient.shape()[1] as f64);
        let scale = match self.scaling {
            MuonScaling::Original => (rows / columns).max(1.0).sqrt(),
            MuonScaling::MatchAdamW => 0.2 * rows.max(columns).sqrt(),
        };
        let [rate, shrink] = [self.lr * scale, 1.0 - self.lr * self.weight_decay].map(T::from_f64);
        slot.each(&self.orthogonalized(&direction)?, |u: T, [p]| *p = *p * shrink - rate * u);
        Ok(())
    }
}

impl Rule for Muon {
    fn name(&self) -> &'static str {
        "Muon"
    }

    fn lr(&self) -> f64 {
        self.lr
    }

    fn set_lr(&mut self, lr: f64) {
        self.lr = lr;
    }

    fn set_momentum(&mut self, momentum: f64) {
        self.momentum = momentum;
    }

    fn moments(&self, value: &Tensor) -> Vec<Moment> {
        vec![("momentum_buffer", value.zeros_like())]
    }

    fn accepts(&self, param: &Param) -> Result<()> {
        let shape = param.get().shape().clone();
        if shape.rank() == 2 || crate::state::is_unset(param) {
            return Ok(());
        }
        let name = param.name();
        let message = format!(
            "takes matrices, and `{name}` has shape {shape}; \
             give it to another rule: .group(AdamW::new(lr), others)"
        );
        Err(Error::op("Muon", message))
    }

    fn update(&self, slot: &Slot, gradient: &Tensor, _: u64) {
        no_grad(|| dispatch!(reals gradient.dtype(), T => self.run::<T>(slot, gradient)))
            .unwrap_or_else(|error| error.raise());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::Optimizer;
    use crate::optim::trajectory::follow;

    /// Biases stay where they are, as in the recorded run.
    #[test]
    fn follows_pytorch() {
        follow(
            "Muon",
            1e-12,
            |_, a, params| {
                let mut rule = Muon::new(a.float("lr"))
                    .momentum(a.float_or("momentum", 0.95))
                    .weight_decay(a.float_or("weight_decay", 0.1))
                    .iterations(a.integer_or("ns_steps", 5) as usize);
                rule.nesterov = a.flag_or("nesterov", true);
                if a.get("adjust_lr_fn").is_some() {
                    rule = rule.scaling(MuonScaling::MatchAdamW);
                }
                rule.optimize(params.into_iter().filter(|p| p.get().rank() == 2))
            },
            |_, loss| loss.backward(),
        );
    }

    #[test]
    fn vectors_are_refused_by_name() {
        let bias = Param::new(Tensor::zeros([4]));
        bias.set_name("fc1.bias");
        assert_eq!(
            Muon::new(0.02).accepts(&bias).unwrap_err().to_string(),
            "Muon takes matrices, and `fc1.bias` has shape [4]; \
             give it to another rule: .group(AdamW::new(lr), others)"
        );
        let _: Optimizer = Muon::new(0.02).optimize([Param::new(Tensor::zeros([4, 3]))]);
    }
}
