//! `median`: the middle element along an axis.

use crate::Order;
use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The median along `axis`, which disappears, and its position (`i64`): for an even number the lower of
    /// the two in the middle, and NaN where there is one.
    pub fn median(&self, axis: isize) -> Result<(Tensor, Tensor)> {
        let (values, positions) = self.try_median_keepdim(axis)?;
        Ok((values.try_squeeze(axis)?, positions.try_squeeze(axis)?))
    }

    /// As [`Tensor::median`]; the axis stays with size 1.
    pub fn median_keepdim(&self, axis: isize) -> Result<(Tensor, Tensor)> {
        let (x, at) = self.with_axis(axis, "median")?;
        let size = x.shape()[at];
        if size == 0 {
            return Err(Error::op("median", format!("of no elements is not defined (shape {})", self.shape())));
        }
        let (_, middle) = x.try_kthvalue_keepdim(size.div_ceil(2), axis)?;
        let positions = match x.dtype().is_float() {
            // NaN sorts last, and first in descending order.
            true => {
                let last = x.try_topk(1, axis, Order::Descending)?.1;
                x.try_isnan()?.try_any_keepdim(at)?.try_where_(&last, &middle)?
            }
            false => middle,
        };
        let shape = if self.rank() == 0 { Shape::default() } else { positions.shape().clone() };
        Ok((x.try_gather(axis, &positions)?.try_reshape(&shape)?, positions.try_reshape(&shape)?))
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("median", |a, x| {
        if a.get("dim").is_none() {
            return vec![x[0].ravel().median(0).0];
        }
        let axis = a.integer("dim");
        let (values, positions) = if a.flag("keepdim") { x[0].median_keepdim(axis) } else { x[0].median(axis) };
        vec![values, positions]
    })
}
