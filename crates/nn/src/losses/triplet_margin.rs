//! An anchor nearer to its like than to another (Schroff, Kalenichenko and Philbin, CVPR 2015, arXiv:1503.03832).

use super::Reduction;
use super::pair::reduced;
use hadal_core::{Error, Result, Tensor, fallible};

/// `max(0, margin + distance(anchor, positive) − distance(anchor, negative))` for vectors `[batch, features]`.
#[derive(Clone, Debug)]
pub struct TripletMargin {
    margin: f64,
    p: f64,
    eps: f64,
    swap: bool,
    reduction: Reduction,
}

impl TripletMargin {
    /// Margin 1, Euclidean distances, the mean.
    pub fn new() -> TripletMargin {
        TripletMargin { margin: 1.0, p: 2.0, eps: 1e-6, swap: false, reduction: Reduction::Mean }
    }

    /// How much farther the negative should be.
    pub fn margin(self, margin: f64) -> TripletMargin {
        TripletMargin { margin, ..self }
    }

    /// The norm of the distance.
    pub fn p(self, p: f64) -> TripletMargin {
        TripletMargin { p, ..self }
    }

    /// Takes the distance from positive to negative where it is smaller (Balntas et al., BMVC 2016).
    pub fn swap(self) -> TripletMargin {
        TripletMargin { swap: true, ..self }
    }

    /// Sum, mean, or one loss per triplet.
    pub fn reduction(self, reduction: Reduction) -> TripletMargin {
        TripletMargin { reduction, ..self }
    }

    /// `‖a − b + eps‖`, as PyTorch: the small number keeps the slope finite where the two are equal.
    fn distance(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        let difference = a.try_sub(b)?.try_add(self.eps)?;
        match self.p {
            2.0 => difference.try_square()?.try_sum(-1)?.try_sqrt(),
            1.0 => difference.try_abs()?.try_sum(-1),
            p => difference.try_abs()?.try_pow(p)?.try_sum(-1)?.try_pow(1.0 / p),
        }
    }
}

impl Default for TripletMargin {
    fn default() -> TripletMargin {
        TripletMargin::new()
    }
}

#[fallible]
impl TripletMargin {
    /// The loss.
    pub fn forward(&self, anchor: &Tensor, positive: &Tensor, negative: &Tensor) -> Result<Tensor> {
        let [a, p, n] = [anchor, positive, negative].map(Tensor::shape);
        if a != p || a != n {
            let message = format!("needs anchor, positive and negative of one shape, got {a}, {p} and {n}");
            return Err(Error::op("triplet_margin", message));
        }
        let mut apart = self.distance(anchor, negative)?;
        if self.swap {
            apart = apart.try_minimum(&self.distance(positive, negative)?)?;
        }
        let losses = self.distance(anchor, positive)?.try_sub(apart)?.try_add(self.margin)?.try_clamp_min(0.0)?;
        reduced(losses, self.reduction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::losses::recorded::{compare, reduction};

    #[test]
    fn computes_what_pytorch_computes() {
        compare("triplet_margin", |a, x| {
            let loss = TripletMargin { swap: a.flag("swap"), ..TripletMargin::new() };
            loss.margin(a.float("margin")).p(a.float("p")).reduction(reduction(a)).forward(&x[0], &x[1], &x[2])
        });
    }
}
