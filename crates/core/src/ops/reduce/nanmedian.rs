//! `nanmedian`: the middle of the elements that are numbers.

use crate::Order;
use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The median along `axis`, which disappears, of the elements that are not NaN, and its position (`i64`): for an even
    /// number the lower of the two in the middle; NaN where nothing is left.
    pub fn nanmedian(&self, axis: isize) -> Result<(Tensor, Tensor)> {
        let (x, at) = self.with_axis(axis, "nanmedian")?;
        if x.shape()[at] == 0 {
            return Err(Error::op("nanmedian", format!("of no elements is not defined (shape {})", self.shape())));
        }
        // NaN sorts last.
        let order = x.try_argsort(at as isize, Order::Ascending)?;
        let numbers = x.try_isnan()?.try_logical_not()?.try_sum_keepdim(at)?;
        let middle = numbers.try_sub(1)?.try_clamp_min(0)?.try_div_floor(2)?;
        let positions = order.try_gather(at as isize, &middle)?;
        let shape = self.shape().reduce(if self.rank() == 0 { &[] } else { std::slice::from_ref(&at) }, false);
        Ok((x.try_gather(at as isize, &positions)?.try_reshape(&shape)?, positions.try_reshape(&shape)?))
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("nanmedian", |a, x| {
        let (values, positions) = x[0].nanmedian(a.integer("dim"));
        vec![values, positions]
    })
}
