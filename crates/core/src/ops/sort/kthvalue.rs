//! `kthvalue`: the k-th smallest element along an axis.

use crate::Order;
use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The `k`-th smallest element along `axis` (1 is the smallest), which disappears, and its position
    /// (`i64`): of equal elements the one that a stable sort puts there. NaN counts as the largest number.
    pub fn kthvalue(&self, k: usize, axis: isize) -> Result<(Tensor, Tensor)> {
        let (values, positions) = self.try_kthvalue_keepdim(k, axis)?;
        Ok((values.try_squeeze(axis)?, positions.try_squeeze(axis)?))
    }

    /// As [`Tensor::kthvalue`]; the axis stays with size 1.
    pub fn kthvalue_keepdim(&self, k: usize, axis: isize) -> Result<(Tensor, Tensor)> {
        if self.rank() == 0 {
            let (values, positions) = self.try_ravel()?.try_kthvalue_keepdim(k, axis)?;
            return Ok((values.try_reshape(())?, positions.try_reshape(())?));
        }
        let size = self.shape()[self.shape().axis(axis, "kthvalue")?];
        if !(1..=size).contains(&k) {
            return Err(Error::op(
                "kthvalue",
                format!("got k = {k} for an axis of size {size}; the smallest is k = 1"),
            ));
        }
        let positions = self.try_topk(k, axis, Order::Ascending)?.1.try_narrow(axis, k - 1, 1)?;
        Ok((self.try_gather(axis, &positions)?, positions))
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("kthvalue", |a, x| {
        let (k, axis) = (a.integer("k") as usize, a.integer("dim"));
        let (values, positions) =
            if a.flag("keepdim") { x[0].kthvalue_keepdim(k, axis) } else { x[0].kthvalue(k, axis) };
        vec![values, positions]
    })
}
