//! `glu`: the gated linear unit, `a · sigmoid(b)` of the two halves of an axis (Dauphin et al. 2017).

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The first half of `axis` times the sigmoid of the second half. The axis has an even size, which is halved.
    pub fn glu(&self, axis: isize) -> Result<Tensor> {
        let size = self.shape()[self.shape().axis(axis, "glu")?];
        if size % 2 == 1 {
            let message = format!("halves axis {axis}, whose size is odd: {size} (shape {})", self.shape());
            return Err(Error::op("glu", message));
        }
        let half = size / 2;
        self.try_narrow(axis, 0, half)?.try_mul(self.try_narrow(axis, half, half)?.try_sigmoid()?)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("glu", |a, x| vec![x[0].glu(a.integer("dim"))])
}
