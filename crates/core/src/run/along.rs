//! Elements chosen along one axis by an index tensor of the same rank: gather and the scatters.
//!
//! The position of element `e` of the index, its coordinate along the axis left out, is walked by a layout
//! of the index's shape whose stride along the axis is 0.

use crate::op::{Input, Output};
use crate::tensor::{Bits, Element, Layout, Shape};
use hadal_kernels::threads::for_chunks_mut;

use super::map::CHUNK;

fn without(axis: usize, layout: &Layout, shape: &Shape) -> Layout {
    let mut strides = layout.strides.clone();
    strides[axis] = 0;
    Layout { shape: shape.clone(), strides, offset: layout.offset }
}

/// `y[i, j, k] = x[i, index[i, j, k], k]` for axis 1 of 3; `y` has the index's shape.
pub fn gather<T: Bits>(x: &Input, axis: usize, index: &Input, y: &mut Output) {
    let (all, stride) = (x.bits::<T>(), x.layout().strides[axis]);
    let base = without(axis, x.layout(), index.shape());
    let index = index.contiguous::<i64>();
    for_chunks_mut(y.bits::<T>(), CHUNK, |chunk, part| {
        let start = chunk * CHUNK;
        for ((y, &i), at) in part.iter_mut().zip(&index[start..]).zip(base.positions_from(start)) {
            *y = all[(at as isize + i as isize * stride) as usize];
        }
    });
}

/// `join(y[i, index[i, j, k], k], source[i, j, k])` in row-major order, for axis 1 of 3.
///
/// Blocks along the first axis are independent unless it is the indexed one; inside a block the order is
/// that of the index.
pub fn scatter<T: Element>(
    y: &mut [T],
    shape: &Shape,
    axis: usize,
    index: &Input,
    source: &Input,
    join: impl Fn(&mut T, T) + Sync,
) {
    if index.shape().elements() == 0 {
        return;
    }
    let layout = Layout::contiguous(shape);
    let (base, from) = (without(axis, &layout, index.shape()), source.layout());
    let (all, stride) = (source.buffer::<T>(), layout.strides[axis]);
    let from = Layout { shape: index.shape().clone(), ..from.clone() };
    let index = index.contiguous::<i64>();
    let blocks = if axis == 0 { 1 } else { base.shape[0] };
    let (one, size) = (index.len() / blocks, if axis == 0 { y.len() } else { y.len() / shape[0] });
    let per_task = (CHUNK / one).max(1);
    for_chunks_mut(&mut y[..blocks * size], size * per_task, |task, part| {
        let (start, first) = (task * per_task * one, task * per_task * size);
        let end = (start + per_task * one).min(index.len());
        let places = base.positions_from(start).zip(from.positions_from(start));
        for (&i, (at, from)) in index[start..end].iter().zip(places) {
            join(&mut part[at + i as usize * stride as usize - first], all[from]);
        }
    });
}
