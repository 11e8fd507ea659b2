//! `mode`: the most frequent element along an axis.

use crate::Order;
use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The most frequent element along `axis`, which disappears (the smallest of several), and its last position
    /// (`i64`). NaN is different from itself.
    pub fn mode(&self, axis: isize) -> Result<(Tensor, Tensor)> {
        let (values, positions) = self.try_mode_keepdim(axis)?;
        Ok((values.try_squeeze(axis)?, positions.try_squeeze(axis)?))
    }

    /// As [`Tensor::mode`]; the axis stays with size 1.
    pub fn mode_keepdim(&self, axis: isize) -> Result<(Tensor, Tensor)> {
        let (x, at) = self.with_axis(axis, "mode")?;
        let n = x.shape()[at];
        if n == 0 {
            return Err(Error::op("mode", format!("of no elements is not defined (shape {})", self.shape())));
        }
        let (sorted, order) = x.detach().try_movedim(at, -1)?.try_sort(-1, Order::Ascending)?;
        let order = order.try_to_vec::<i64>()?;
        let positions: Vec<i64> = dispatch!(all x.dtype(), T => {
            let sorted = sorted.try_to_vec::<T>()?;
            sorted.chunks_exact(n).zip(order.chunks_exact(n)).map(|(row, order)| order[longest_run(row)]).collect()
        });
        let mut shape = x.shape().clone();
        shape.sizes_mut().remove(at);
        let positions = Tensor::try_from_vec(positions, shape)?.try_unsqueeze(at as isize)?;
        let shape = if self.rank() == 0 { Shape::default() } else { positions.shape().clone() };
        Ok((x.try_gather(at as isize, &positions)?.try_reshape(&shape)?, positions.try_reshape(&shape)?))
    }
}

/// The last place of the first of the longest runs of equal elements.
fn longest_run<T: PartialEq>(row: &[T]) -> usize {
    let (mut best, mut last, mut start) = (0, 0, 0);
    for i in 0..row.len() {
        if row[i] != row[start] {
            start = i;
        }
        if i + 1 - start > best {
            (best, last) = (i + 1 - start, i);
        }
    }
    last
}

pub(crate) fn cases() -> Cases {
    Cases::new("mode", |a, x| {
        let axis = a.integer("dim");
        let (values, positions) = if a.flag("keepdim") { x[0].mode_keepdim(axis) } else { x[0].mode(axis) };
        vec![values, positions]
    })
    .reading_elements(&[])
}
