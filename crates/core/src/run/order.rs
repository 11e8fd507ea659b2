//! The order of numbers for sorting: NaN comes after everything, and equal numbers keep their order.

use crate::op::{Input, Output};
use crate::tensor::Element;
use hadal_kernels::threads::for_chunks_mut;
use std::cmp::Ordering;

use super::map::CHUNK;

/// Smaller first, NaN last; `-0` equals `0`.
#[allow(clippy::eq_op)] // only NaN differs from itself
pub fn ascending<T: PartialOrd>(a: &T, b: &T) -> Ordering {
    a.partial_cmp(b).unwrap_or_else(|| (a != a).cmp(&(b != b)))
}

/// `y[row] = f(row of x along its last axis, as (number, position))`, in parallel over rows.
pub fn rows<T: Element>(x: &Input, y: &mut Output, f: impl Fn(&mut [(T, i64)], &mut [i64]) + Sync) {
    let (n, k) = (x.shape().last().copied().unwrap_or(1), y.shape().last().copied().unwrap_or(1));
    let values = x.contiguous::<T>();
    let per_task = (CHUNK / n.max(1)).max(1);
    for_chunks_mut(y.slice::<i64>(), per_task * k, |task, part| {
        let mut row: Vec<(T, i64)> = Vec::with_capacity(n);
        for (i, positions) in part.chunks_exact_mut(k).enumerate() {
            let start = (task * per_task + i) * n;
            row.clear();
            row.extend(values[start..start + n].iter().copied().zip(0..));
            f(&mut row, positions);
        }
    });
}
