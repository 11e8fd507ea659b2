//! Work on lanes, the lines of elements along one axis: a kernel sees each as a contiguous slice.

use super::map::CHUNK;
use crate::op::{Input, Output};
use crate::tensor::Element;
use hadal_kernels::threads::for_chunks_mut;

/// Columns gathered together when lanes do not lie contiguously: a cache line of `f32`.
const TOGETHER: usize = 16;

/// `f(number, lanes of the inputs, lane of the output)` for every lane along `axis`; the number counts lanes in the
/// row-major order of the other axes. Inputs and output have one shape.
pub fn lanes<T: Element, const N: usize>(
    x: [&Input; N],
    axis: usize,
    y: &mut Output,
    f: impl Fn(usize, [&[T]; N], &mut [T]) + Sync,
) {
    let n = y.shape()[axis];
    let inner: usize = y.shape()[axis + 1..].iter().product();
    if y.shape().elements() == 0 {
        return;
    }
    let x = x.map(|x| x.contiguous::<T>());
    let block = n * inner;
    let blocks_per_task = (CHUNK / block).max(1);
    for_chunks_mut(y.slice::<T>(), blocks_per_task * block, |task, part| {
        let mut gathered = vec![T::default(); if inner == 1 { 0 } else { (N + 1) * n * TOGETHER }];
        for (i, y) in part.chunks_mut(block).enumerate() {
            let at = (task * blocks_per_task + i) * block;
            let x: [&[T]; N] = std::array::from_fn(|k| &x[k][at..at + block]);
            let first = at / n;
            if inner == 1 {
                f(first, x, y)
            } else {
                transposed(x, inner, y, &mut gathered, |j, x, y| f(first + j, x, y))
            }
        }
    });
}

/// `rows(first lane, lanes of the inputs, length of a lane, results)`, a kernel for many lanes at once, along `axis`.
pub fn whole_lanes<T: Element, const N: usize>(
    x: [&Input; N],
    axis: usize,
    y: &mut Output,
    rows: impl Fn(usize, [&[T]; N], usize, &mut [T]) + Sync,
) {
    let n = y.shape()[axis];
    if y.shape()[axis + 1..].iter().product::<usize>() == 1 {
        let x = x.map(|x| x.contiguous::<T>());
        return rows(0, std::array::from_fn(|i| &x[i][..]), n, y.slice());
    }
    lanes(x, axis, y, |lane, x, y| rows(lane, x, n, y));
}

/// One block `[n, inner]` whose lanes are its columns.
fn transposed<T: Element, const N: usize>(
    x: [&[T]; N],
    inner: usize,
    y: &mut [T],
    gathered: &mut [T],
    f: impl Fn(usize, [&[T]; N], &mut [T]),
) {
    let n = y.len() / inner;
    let (inputs, output) = gathered.split_at_mut(N * n * TOGETHER);
    for first in (0..inner).step_by(TOGETHER) {
        let width = TOGETHER.min(inner - first);
        for (x, copy) in x.iter().zip(inputs.chunks_mut(n * TOGETHER)) {
            for (i, row) in x.chunks(inner).enumerate() {
                row[first..first + width].iter().enumerate().for_each(|(j, &v)| copy[j * n + i] = v);
            }
        }
        for (j, lane) in output.chunks_mut(n).take(width).enumerate() {
            f(first + j, std::array::from_fn(|k| &inputs[(k * TOGETHER + j) * n..][..n]), lane);
        }
        for (i, row) in y.chunks_mut(inner).enumerate() {
            row[first..first + width].iter_mut().enumerate().for_each(|(j, v)| *v = output[j * n + i]);
        }
    }
}
