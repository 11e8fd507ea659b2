//! `renorm`: slices scaled down to a largest norm.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// Each slice along `axis` whose p-norm is above `most`, scaled to that norm.
    pub fn renorm(&self, p: f64, axis: isize, most: f64) -> Result<Tensor> {
        let at = self.shape().axis(axis, "renorm")?;
        let others: Vec<usize> = (0..self.rank()).filter(|&a| a != at).collect();
        let norm = self.try_norm_keepdim(p, &others[..])?;
        // The small number is PyTorch's, which keeps the result from rounding to more than the norm.
        let factor = norm.try_add(1e-7)?.try_reciprocal()?.try_mul(most)?;
        self.try_mul(norm.try_gt(most)?.try_where_(&factor, 1.0)?)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("renorm", |a, x| vec![x[0].renorm(a.float("p"), a.integer("dim"), a.float("maxnorm"))])
}
