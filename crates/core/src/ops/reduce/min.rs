//! `min`: the smallest elements along an axis and their positions.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The smallest element along `axis`, which disappears, and its position (`i64`). NaN is taken where there
    /// is one; among tied elements the first, which gets all the gradient. Over all elements, see [`Tensor::amin`].
    ///
    /// ```
    /// # use hadal_core::Tensor;
    /// let (values, positions) = Tensor::from([[1.0f32, 3.0], [5.0, 4.0]]).min(1);
    /// assert_eq!((values.to_vec::<f32>(), positions.to_vec::<i64>()), (vec![1.0, 4.0], vec![0, 1]));
    /// ```
    pub fn min(&self, axis: isize) -> Result<(Tensor, Tensor)> {
        let (values, positions) = self.try_min_keepdim(axis)?;
        Ok((values.try_squeeze(axis)?, positions.try_squeeze(axis)?))
    }

    /// As [`Tensor::min`]; the axis stays with size 1.
    pub fn min_keepdim(&self, axis: isize) -> Result<(Tensor, Tensor)> {
        let positions = self.try_argmin_keepdim(axis)?;
        Ok((self.try_gather(axis, &positions)?, positions))
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("min", |a, x| {
        if a.get("dim").is_none() {
            return vec![x[0].amin(..)];
        }
        let axis = a.integer("dim");
        let (values, positions) = if a.flag("keepdim") { x[0].min_keepdim(axis) } else { x[0].min(axis) };
        vec![values, positions]
    })
}
