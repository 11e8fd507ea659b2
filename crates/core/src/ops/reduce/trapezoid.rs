//! `trapezoid`: integrals by the trapezoidal rule.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The integral along `axis`, which disappears, of values `dx` apart: the sum of the areas of the trapezoids
    /// between neighbours.
    pub fn trapezoid(&self, dx: f64, axis: isize) -> Result<Tensor> {
        areas(self, dx, axis)?.try_sum(axis)
    }

    /// As [`Tensor::trapezoid`], up to each of the places but the first.
    pub fn cumulative_trapezoid(&self, dx: f64, axis: isize) -> Result<Tensor> {
        areas(self, dx, axis)?.try_cumsum(axis)
    }
}

/// The area between each two neighbours.
fn areas(x: &Tensor, dx: f64, axis: isize) -> Result<Tensor> {
    let axis = x.shape().axis(axis, "trapezoid")? as isize;
    let (x, left) = (x.floating()?, x.size(axis).saturating_sub(1));
    x.try_narrow(axis, 0, left)?.try_add(x.try_narrow(axis, x.size(axis) - left, left)?)?.try_mul(0.5 * dx)
}

pub(crate) fn cases() -> Cases {
    Cases::new("trapezoid", |a, x| {
        let (dx, axis) = (a.float("dx"), a.integer("dim"));
        vec![x[0].trapezoid(dx, axis), x[0].cumulative_trapezoid(dx, axis)]
    })
}
