//! Reductions over a leading axis: `[outer, reduce, inner] → [outer, inner]`.
//!
//! Rows are folded in blocks of 32, top down; the blocks are merged as a binary tree, neighbours first. Wide rows are
//! cut into strips that stay in the first-level cache, long columns into subtrees of 128 to 1024 rows.

use std::marker::PhantomData;
use std::ops::Range;

use super::tree::Fold;
use crate::number::Number;
use crate::scratch;
use crate::simd::{Kernel, Simd, dispatch};
use crate::threads::{SharedMut, parallel_for, threads};

/// Rows of a block.
const BLOCK: usize = 32;
/// Rows that one task folds at most …
const TASK_ROWS: usize = 32 * BLOCK;
/// … and at least, if there are threads for more tasks: powers of two of blocks, so that tasks are whole subtrees.
const LEAST_ROWS: usize = 4 * BLOCK;
/// Columns of a strip.
const STRIP: usize = 1024;
/// Elements worth a task.
const TASK: usize = 1 << 14;

/// Folds `rows` of a strip into `out`; `x` begins at the strip's first element, rows are `stride` apart.
struct Strip<'a, T, F> {
    x: &'a [T],
    stride: usize,
    rows: usize,
    out: &'a mut [T],
    /// Room for the levels of the tree.
    levels: &'a mut [T],
    fold: PhantomData<F>,
}

/// Subtrees that wait for their right neighbour, at most.
const LEVELS: usize = usize::BITS as usize;

impl<T: Number, F: Fold> Kernel for Strip<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let width = self.out.len();
        let mut depth = 0;
        for (index, first) in (0..self.rows).step_by(BLOCK).enumerate() {
            let (waiting, block) = self.levels.split_at_mut(depth * width);
            let block = &mut block[..width];
            block.fill(F::empty());
            for row in first..self.rows.min(first + BLOCK) {
                let row = &self.x[row * self.stride..][..width];
                for (sum, &x) in block.iter_mut().zip(row) {
                    *sum = F::step(*sum, x, x);
                }
            }
            merge_last::<T, F>(waiting, block, width, index.trailing_ones() as usize);
            depth = depth + 1 - index.trailing_ones() as usize;
        }
        match depth {
            0 => self.out.fill(F::empty()),
            _ => {
                let (waiting, last) = self.levels.split_at_mut((depth - 1) * width);
                let last = &mut last[..width];
                merge_last::<T, F>(waiting, last, width, depth - 1);
                self.out.copy_from_slice(&self.levels[..width]);
            }
        }
    }
}

/// Merges `block` with the last `count` waiting subtrees, the nearest first; the result takes the place of the first
/// of them.
#[inline(always)]
fn merge_last<T: Number, F: Fold>(waiting: &mut [T], block: &mut [T], width: usize, count: usize) {
    let mut right = block;
    for left in waiting.rchunks_exact_mut(width).take(count) {
        for (left, &mut right) in left.iter_mut().zip(&mut *right) {
            *left = F::merge(*left, right);
        }
        right = left;
    }
}

fn strip<T: Number, F: Fold>(x: &[T], stride: usize, rows: usize, out: &mut [T]) {
    // A tree of n blocks never holds more than ⌈log₂ n⌉ + 1 subtrees.
    let levels = ((rows.div_ceil(BLOCK).next_power_of_two().trailing_zeros() + 1) as usize).min(LEVELS);
    scratch::with(levels * out.len(), |levels| {
        dispatch(Strip { x, stride, rows, out, levels, fold: PhantomData::<F> });
    });
}

pub(super) fn fold_columns<T: Number, F: Fold>(x: &[T], [outer, reduce, inner]: [usize; 3], out: &mut [T]) {
    if reduce * inner == 0 {
        return out.fill(F::empty());
    }
    let out = SharedMut::new(out);
    let strips = inner.div_ceil(STRIP);
    let columns = |i: usize| i % strips * STRIP..inner.min((i % strips + 1) * STRIP);
    let slab = |i: usize| &x[i / strips * reduce * inner..][..reduce * inner];
    // SAFETY: a strip of an outer index is one task's alone.
    let target = |i: usize, columns: &Range<usize>| unsafe {
        let first = i / strips * inner;
        out.range(first + columns.start..first + columns.end)
    };
    let few = outer * strips < 8 && reduce > TASK_ROWS && reduce * inner > TASK;
    if !few {
        let each = (TASK / (reduce * inner.min(STRIP))).max(1);
        return parallel_for((outer * strips).div_ceil(each), |task| {
            for i in task * each..(outer * strips).min((task + 1) * each) {
                let columns = columns(i);
                strip::<T, F>(&slab(i)[columns.start..], inner, reduce, target(i, &columns));
            }
        });
    }
    // Every part of the rows of every strip is a task.
    let mut each = TASK_ROWS;
    while each > LEAST_ROWS && outer * strips * reduce.div_ceil(each) < 2 * threads() {
        each /= 2;
    }
    let parts = reduce.div_ceil(each);
    scratch::with(parts * outer * inner, |sums| {
        let shared = SharedMut::new(&mut *sums);
        // The sums of a strip's parts follow each other.
        let start = |i: usize, part: usize| {
            let columns = columns(i);
            parts * (i / strips * inner + columns.start) + part * columns.len()
        };
        parallel_for(outer * strips * parts, |task| {
            let (i, part) = (task / parts, task % parts);
            let (columns, rows) = (columns(i), part * each..reduce.min((part + 1) * each));
            // SAFETY: each part of a strip has its own sums.
            let sums = unsafe { shared.range(start(i, part)..start(i, part) + columns.len()) };
            strip::<T, F>(&slab(i)[rows.start * inner + columns.start..], inner, rows.len(), sums);
        });
        for i in 0..outer * strips {
            let columns = columns(i);
            let sums = &mut sums[start(i, 0)..start(i, parts)];
            merge_parts::<T, F>(sums, columns.len());
            target(i, &columns).copy_from_slice(&sums[..columns.len()]);
        }
    });
}

/// Merges the rows of `sums` into its first, as the tree does.
fn merge_parts<T: Number, F: Fold>(sums: &mut [T], width: usize) {
    let parts = sums.len() / width;
    if parts <= 1 {
        return;
    }
    let half = parts.next_power_of_two() / 2;
    let (left, right) = sums.split_at_mut(half * width);
    merge_parts::<T, F>(left, width);
    merge_parts::<T, F>(right, width);
    for (left, &right) in left[..width].iter_mut().zip(&right[..width]) {
        *left = F::merge(*left, right);
    }
}
