//! `max`: the largest elements along an axis and their positions.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The largest element along `axis`, which disappears, and its position (`i64`). NaN is taken where there
    /// is one; among tied elements the first, which gets all the gradient. Over all elements, see [`Tensor::amax`].
    ///
    /// ```
    /// # use hadal_core::Tensor;
    /// let (values, positions) = Tensor::from([[1.0f32, 3.0], [5.0, 4.0]]).max(1);
    /// assert_eq!((values.to_vec::<f32>(), positions.to_vec::<i64>()), (vec![3.0, 5.0], vec![1, 0]));
    /// ```
    pub fn max(&self, axis: isize) -> Result<(Tensor, Tensor)> {
        let (values, positions) = self.try_max_keepdim(axis)?;
        Ok((values.try_squeeze(axis)?, positions.try_squeeze(axis)?))
    }

    /// As [`Tensor::max`]; the axis stays with size 1.
    pub fn max_keepdim(&self, axis: isize) -> Result<(Tensor, Tensor)> {
        let positions = self.try_argmax_keepdim(axis)?;
        Ok((self.try_gather(axis, &positions)?, positions))
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("max", |a, x| {
        if a.get("dim").is_none() {
            return vec![x[0].amax(..)];
        }
        let axis = a.integer("dim");
        let (values, positions) = if a.flag("keepdim") { x[0].max_keepdim(axis) } else { x[0].max(axis) };
        vec![values, positions]
    })
}
