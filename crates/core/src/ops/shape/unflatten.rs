//! `unflatten`: one axis divided into several.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// With `axis` divided into axes of the given sizes, whose product must be its size. A view where possible.
    pub fn unflatten(&self, axis: isize, sizes: impl Into<Shape>) -> Result<Tensor> {
        let (axis, sizes) = (self.shape().axis(axis, "unflatten")?, sizes.into());
        if sizes.elements() != self.shape()[axis] {
            let message = format!(
                "needs sizes whose product is {} (axis {axis} of {}), got {sizes}",
                self.shape()[axis],
                self.shape()
            );
            return Err(Error::op("unflatten", message));
        }
        let mut shape = self.shape().clone();
        shape.sizes_mut().remove(axis);
        shape.sizes_mut().insert_from_slice(axis, &sizes);
        self.try_reshape(shape)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("unflatten", |a, x| {
        let axis = a.integer("dim");
        vec![x[0].unflatten(axis, a.shape_of("sizes", x[0].size(axis)))]
    })
}
