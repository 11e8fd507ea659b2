//! `SpectralNorm` (Miyato et al., ICLR 2018, arXiv:1802.05957).

use super::weighted::{Weighted, first_weight, visit_without_weight};
use crate::Layer;
use crate::init::{Initialiser, Normal};
use hadal_core::{Mode, Module, Param, Result, Tensor, Visitor, no_grad, visit_field};

/// A layer whose weight is divided by its largest singular value, which power iteration follows.
///
/// The keys are those of `torch.nn.utils.parametrizations.spectral_norm`: `bias`, and `parametrizations.weight.original`,
/// `parametrizations.weight.0._u` and `_v` in place of `weight`.
#[derive(Debug)]
pub struct SpectralNorm<L> {
    layer: L,
    original: Param,
    u: Param,
    v: Param,
    iterations: usize,
    eps: f64,
    mode: Mode,
}

/// Iterations when the layer is made, so that the first estimate is good.
const WARM_UP: usize = 15;

impl<L: Weighted> SpectralNorm<L> {
    /// One iteration per training step; eps 1e-12.
    #[track_caller]
    pub fn new(layer: L) -> SpectralNorm<L> {
        let original = Param::new(first_weight(&layer));
        let (iterations, eps) = (1, 1e-12);
        let vector = || Param::buffer(Tensor::zeros(0));
        let norm = SpectralNorm { u: vector(), v: vector(), original, layer, iterations, eps, mode: Mode::default() };
        let start = || -> Result<()> {
            let matrix = norm.matrix(&norm.original.get())?;
            let normal = |n: usize| norm.unit(&Normal::new(0.0, 1.0).draw(&n.into()));
            norm.u.replace(&normal(matrix.shape()[0])?);
            norm.v.replace(&normal(matrix.shape()[1])?);
            norm.iterate(&matrix, WARM_UP)
        };
        no_grad(start).unwrap_or_else(|error| error.raise());
        norm
    }

    /// Iterations per training step.
    pub fn iterations(self, iterations: usize) -> SpectralNorm<L> {
        SpectralNorm { iterations, ..self }
    }

    /// What keeps a zero vector from a division by zero.
    pub fn eps(self, eps: f64) -> SpectralNorm<L> {
        SpectralNorm { eps, ..self }
    }

    /// The weight as `[outputs, everything else]`.
    fn matrix(&self, weight: &Tensor) -> Result<Tensor> {
        let mut order: Vec<isize> = (0..weight.rank() as isize).collect();
        order.swap(0, self.layer.output_axis());
        let weight = weight.try_permute(&order)?;
        weight.try_reshape([weight.shape()[0], weight.elements() / weight.shape()[0].max(1)])
    }

    fn unit(&self, vector: &Tensor) -> Result<Tensor> {
        vector.try_div(vector.try_square()?.try_sum(..)?.try_sqrt()?.try_clamp_min(self.eps)?)
    }

    fn iterate(&self, matrix: &Tensor, times: usize) -> Result<()> {
        for _ in 0..times {
            self.u.set(&self.unit(&matrix.try_mv(&self.v.get())?)?)?;
            self.v.set(&self.unit(&matrix.try_t()?.try_mv(&self.u.get())?)?)?;
        }
        Ok(())
    }

    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let weight = self.original.get();
        let matrix = self.matrix(&weight)?;
        if self.mode.is_training() {
            no_grad(|| self.iterate(&matrix.detach(), self.iterations))?;
        }
        let largest = self.u.get().try_dot(&matrix.try_mv(&self.v.get())?)?;
        self.layer.with_weight(&weight.try_div(largest)?, x)
    }
}

impl<L: Weighted> Layer for SpectralNorm<L> {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.layer.tag().call(x, || self.apply(x))
    }
}

impl<L: Weighted> Module for SpectralNorm<L> {
    fn visit(&self, visitor: &mut dyn Visitor) {
        visit_without_weight(&self.layer, visitor);
        visitor.mode(&self.mode);
        visitor.enter("parametrizations");
        visitor.enter("weight");
        visit_field("original", &self.original, visitor);
        visitor.enter("0");
        visit_field("_u", &self.u, visitor);
        visit_field("_v", &self.v, visitor);
        visitor.leave();
        visitor.leave();
        visitor.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::recorded::compare;
    use crate::layers::{ConvTranspose2d, Linear};
    use hadal_core::ModuleExt;

    #[test]
    fn computes_what_pytorch_computes() {
        compare("spectral_norm", |a| {
            let layer = SpectralNorm::new(Linear::new(3, 2)).eps(a.float("eps"));
            Box::new(layer.iterations(a.integer("n_power_iterations") as usize))
        });
    }

    #[test]
    fn the_largest_singular_value_becomes_one() {
        let layer = SpectralNorm::new(ConvTranspose2d::new(4, 3, 2)).iterations(50);
        layer.forward(&Tensor::ones([1, 4, 3, 3]));
        layer.eval();
        let weight = layer.original.get();
        let matrix = layer.matrix(&weight).unwrap();
        let estimate = layer.u.get().dot(&matrix.mv(&layer.v.get())).item::<f32>();
        let (_, values, _) = matrix.svd();
        assert!((values.to_vec::<f32>()[0] - estimate).abs() < 1e-4 * estimate);
    }
}
