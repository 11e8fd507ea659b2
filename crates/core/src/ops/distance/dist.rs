//! `dist`: the distance of two tensors.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The p-norm of the difference, a scalar; the shapes broadcast.
    pub fn dist(&self, other: &Tensor, p: f64) -> Result<Tensor> {
        self.try_sub(other)?.try_norm(p, ..)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("dist", |a, x| vec![x[0].dist(&x[1], a.float("p"))])
}
