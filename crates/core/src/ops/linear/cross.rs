//! `cross`: the vector product in three dimensions.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// `a × b` along an axis of size 3; the other axes broadcast.
    pub fn cross(&self, other: &Tensor, axis: isize) -> Result<Tensor> {
        let shape = self.shape().broadcast(other.shape(), "cross")?;
        let at = shape.axis(axis, "cross")?;
        if shape[at] != 3 {
            return Err(Error::op(
                "cross",
                format!("needs an axis of size 3, but axis {axis} of {shape} has {}", shape[at]),
            ));
        }
        let (a, b) = self.promoted(other)?;
        let (a, b) = (a.try_expand(&shape)?, b.try_expand(&shape)?);
        let part = |t: &Tensor, i: usize| t.try_select(at as isize, (i % 3) as isize);
        let component = |i: usize| -> Result<Tensor> {
            let plus = part(&a, i + 1)?.try_mul(part(&b, i + 2)?)?;
            plus.try_sub(part(&a, i + 2)?.try_mul(part(&b, i + 1)?)?)
        };
        Tensor::try_stack(&[component(0)?, component(1)?, component(2)?], at as isize)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("cross", |a, x| vec![x[0].cross(&x[1], a.integer("dim"))])
}
