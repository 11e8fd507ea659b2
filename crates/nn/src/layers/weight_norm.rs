//! `WeightNorm` (Salimans and Kingma, NIPS 2016, arXiv:1602.07868).

use super::weighted::{Weighted, first_weight, visit_without_weight};
use crate::Layer;
use hadal_core::{Axes, Module, Param, Result, Tensor, Visitor, no_grad, visit_field};

/// A layer whose weight is `g · v / ‖v‖`: length and direction are learned apart.
///
/// The keys are those of `torch.nn.utils.parametrizations.weight_norm`: `bias`, and `parametrizations.weight.original0`
/// (`g`) and `original1` (`v`) in place of `weight`.
///
/// ```
/// use hadal_nn::layers::{Linear, WeightNorm};
/// let layer = WeightNorm::new(Linear::new(3, 2));
/// ```
#[derive(Debug)]
pub struct WeightNorm<L> {
    layer: L,
    length: Param,
    direction: Param,
    axis: usize,
}

impl<L: Weighted> WeightNorm<L> {
    /// One length per output, starting from the layer's weight.
    #[track_caller]
    pub fn new(layer: L) -> WeightNorm<L> {
        WeightNorm::along(layer, 0)
    }

    /// One length per element of another axis of the weight.
    #[track_caller]
    pub fn along(layer: L, axis: usize) -> WeightNorm<L> {
        let weight = first_weight(&layer);
        let length = no_grad(|| norm(&weight, axis)).unwrap_or_else(|error| error.raise());
        WeightNorm { length: Param::new(length), direction: Param::new(weight), axis, layer }
    }

    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let direction = self.direction.get();
        let weight = direction.try_mul(self.length.get().try_div(norm(&direction, self.axis)?)?)?;
        self.layer.with_weight(&weight, x)
    }
}

/// The Euclidean norm over all axes but one, which stay with size 1.
fn norm(weight: &Tensor, axis: usize) -> Result<Tensor> {
    let others: Vec<usize> = (0..weight.rank()).filter(|&a| a != axis).collect();
    weight.try_square()?.try_sum_keepdim(Axes::from(&others[..]))?.try_sqrt()
}

impl<L: Weighted> Layer for WeightNorm<L> {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.layer.tag().call(x, || self.apply(x))
    }
}

impl<L: Weighted> Module for WeightNorm<L> {
    fn visit(&self, visitor: &mut dyn Visitor) {
        visit_without_weight(&self.layer, visitor);
        visitor.enter("parametrizations");
        visitor.enter("weight");
        visit_field("original0", &self.length, visitor);
        visit_field("original1", &self.direction, visitor);
        visitor.leave();
        visitor.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::recorded::compare;
    use crate::layers::{Conv2d, Linear};

    #[test]
    fn computes_what_pytorch_computes() {
        compare("weight_norm", |a| {
            let axis = a.integer("dim") as usize;
            match a.torch().contains("Conv2d") {
                true => Box::new(WeightNorm::along(Conv2d::new(2, 3, 2), axis)),
                false => Box::new(WeightNorm::along(Linear::new(3, 2), axis)),
            }
        });
    }

    #[test]
    fn starts_as_the_layer_it_wraps() {
        let plain = Linear::new(4, 3);
        let x = Tensor::from([[1.0f32, -2.0, 0.5, 3.0]]);
        let expected = plain.forward(&x).to_vec::<f32>();
        let got = WeightNorm::new(plain).forward(&x).to_vec::<f32>();
        assert!(got.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6));
    }
}
