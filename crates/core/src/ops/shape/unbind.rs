//! `unbind`: the slices along an axis, which disappears.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// One tensor per position along `axis`, without that axis. Views.
    pub fn unbind(&self, axis: isize) -> Result<Vec<Tensor>> {
        let at = self.shape().axis(axis, "unbind")?;
        let slices = self.try_split_sizes(&vec![1; self.shape()[at]], axis)?;
        slices.iter().map(|slice| slice.try_squeeze(at)).collect()
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("unbind", |a, x| x[0].unbind(a.integer("dim")))
}

#[cfg(test)]
mod tests {
    use crate::Tensor;

    /// More pieces than an op's masks of what it reads have bits.
    #[test]
    fn gradients_pass_through_many_pieces() {
        let x = Tensor::arange_with(0.0, 80.0, 1.0).reshape([40, 2]).requires_grad();
        let pieces = x.unbind(0);
        let squares: Vec<Tensor> = pieces.iter().map(Tensor::square).collect();
        let gradient = Tensor::stack(&squares, 0).sum(..).backward().of(&x).unwrap().to_f64_vec();
        assert_eq!(gradient, (0..80).map(|i| 2.0 * i as f64).collect::<Vec<_>>());
    }
}
