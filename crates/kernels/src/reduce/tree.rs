//! The order of a reduction: lanes inside a block, a binary tree over the blocks.
//!
//! A block is 512 neighbours; element `i` of it goes to lane `i mod 64`. The lanes of a block, and then the blocks, are
//! merged pairwise, neighbours first. So the rounding error of a sum grows with the logarithm of its length, and the
//! order depends on the length alone.

use crate::formula::{Pair, blocks, load, pick, splat};
use crate::number::{Arithmetic, Number};
use crate::scratch;
use crate::simd::{Kernel, LANES, Simd, dispatch};
use crate::threads::for_chunks_mut;

/// Elements of a block.
const BLOCK: usize = 512;
/// Lanes of a block: enough registers in flight to hide the latency of an addition.
const WIDE: usize = 64;
/// Vectors of these.
const VECTORS: usize = WIDE / LANES;
/// Shorter blocks are folded from left to right.
pub(crate) const SHORT: usize = 32;
/// Elements that one task folds: a power of two of blocks, so that tasks are whole subtrees.
const TASK: usize = BLOCK * 64;

/// What is folded: two values merge into one; a step takes an element of each of two slices.
pub(crate) trait Fold: Send + Sync {
    /// The value of nothing.
    fn empty<T: Number>() -> T;
    fn step<F: Arithmetic>(sum: F, x: F, y: F) -> F;
    fn merge<F: Arithmetic>(a: F, b: F) -> F;
}

/// Merges values pairwise in the order in which they are pushed: the binary tree whose left subtrees are full.
pub(super) struct Pairwise<T> {
    /// One value for every bit of `count` that is set, the largest subtree first.
    stack: [Option<T>; usize::BITS as usize],
    depth: usize,
    count: usize,
}

impl<T: Copy> Pairwise<T> {
    pub fn new() -> Self {
        Pairwise { stack: [None; usize::BITS as usize], depth: 0, count: 0 }
    }

    fn pop(&mut self) -> Option<T> {
        self.depth = self.depth.checked_sub(1)?;
        self.stack[self.depth]
    }

    #[inline(always)]
    pub fn push(&mut self, mut value: T, merge: impl Fn(T, T) -> T) {
        for _ in 0..self.count.trailing_ones() {
            if let Some(left) = self.pop() {
                value = merge(left, value);
            }
        }
        self.stack[self.depth] = Some(value);
        self.depth += 1;
        self.count += 1;
    }

    #[inline(always)]
    pub fn finish(mut self, merge: impl Fn(T, T) -> T) -> Option<T> {
        let mut value = self.pop()?;
        while let Some(left) = self.pop() {
            value = merge(left, value);
        }
        Some(value)
    }
}

#[inline(always)]
fn block<S: Simd, T: Number, F: Fold>(simd: S, x: &[T], y: &[T]) -> T {
    if x.len() < SHORT {
        return x.iter().zip(y).fold(F::empty(), |sum, (&x, &y)| F::step(sum, x, y));
    }
    let len = x.len();
    let (blocks, [x_rest, y_rest]) = blocks([x, y], len);
    let mut lanes = [T::splat(simd, F::empty()); VECTORS];
    for first in (0..len / WIDE * VECTORS).step_by(VECTORS) {
        for (i, lanes) in lanes.iter_mut().enumerate() {
            let [x, y] = load(simd, blocks, first + i);
            *lanes = F::step(*lanes, x, y);
        }
    }
    for at in len / WIDE * VECTORS..len / LANES {
        let [x, y] = load(simd, blocks, at);
        lanes[at % VECTORS] = F::step(lanes[at % VECTORS], x, y);
    }
    let mut found = [T::ZERO; LANES];
    if !x_rest.is_empty() {
        let last = &mut lanes[len / LANES % VECTORS];
        T::store(*last, &mut found);
        for ((found, &x), &y) in found.iter_mut().zip(x_rest).zip(y_rest) {
            *found = F::step(*found, x, y);
        }
        *last = T::load(simd, &found);
    }
    T::store(F::merge(F::merge(lanes[0], lanes[2]), F::merge(lanes[1], lanes[3])), &mut found);
    for width in [8, 4, 2, 1] {
        for i in 0..width {
            found[i] = F::merge(found[i], found[i + width]);
        }
    }
    found[0]
}

/// Folds two slices of one length on this thread. For use inside a [`Kernel`].
#[inline(always)]
pub(crate) fn fold_inline<S: Simd, T: Number, F: Fold>(simd: S, x: &[T], y: &[T]) -> T {
    let mut tree = None;
    for (x_block, y_block) in x.chunks(BLOCK).zip(y.chunks(BLOCK)) {
        let value = block::<S, T, F>(simd, x_block, y_block);
        if x.len() <= BLOCK {
            return value;
        }
        tree.get_or_insert_with(Pairwise::new).push(value, F::merge);
    }
    tree.and_then(|tree| tree.finish(F::merge)).unwrap_or(F::empty())
}

/// Two sums at once over slices of one length, on this thread and in the order of [`fold_inline`]. For use inside a
/// [`Kernel`].
#[inline(always)]
pub(crate) fn fold_pairs_inline<S: Simd, T: Number, const N: usize, const K: usize>(
    simd: S,
    x: [&[T]; N],
    constants: [T; K],
    pair: impl Pair<N, K>,
) -> (T, T) {
    let len = x[0].len();
    if len <= BLOCK {
        return block_of_pairs(simd, x, len, constants, pair);
    }
    let mut tree = Pairwise::new();
    for first in (0..len).step_by(BLOCK) {
        let (mut part, end) = (x, len.min(first + BLOCK));
        for x in &mut part {
            *x = &x[first..end];
        }
        tree.push(block_of_pairs(simd, part, end - first, constants, pair), |a: (T, T), b: (T, T)| {
            (a.0 + b.0, a.1 + b.1)
        });
    }
    tree.finish(|a, b| (a.0 + b.0, a.1 + b.1)).unwrap_or((T::ZERO, T::ZERO))
}

#[inline(always)]
fn block_of_pairs<S: Simd, T: Number, const N: usize, const K: usize>(
    simd: S,
    x: [&[T]; N],
    len: usize,
    constants: [T; K],
    pair: impl Pair<N, K>,
) -> (T, T) {
    if len < SHORT {
        let mut sums = (T::ZERO, T::ZERO);
        for at in 0..len {
            sums = pair.add(sums, pick(x, at), constants);
        }
        return sums;
    }
    let (blocks, rest) = blocks(x, len);
    let (zero, splat) = (T::splat(simd, T::ZERO), splat(simd, constants));
    let mut sums = [(zero, zero); VECTORS];
    for first in (0..len / WIDE * VECTORS).step_by(VECTORS) {
        for (i, sums) in sums.iter_mut().enumerate() {
            *sums = pair.add(*sums, load(simd, blocks, first + i), splat);
        }
    }
    for at in len / WIDE * VECTORS..len / LANES {
        sums[at % VECTORS] = pair.add(sums[at % VECTORS], load(simd, blocks, at), splat);
    }
    let (mut first, mut second) = ([T::ZERO; LANES], [T::ZERO; LANES]);
    if !len.is_multiple_of(LANES) {
        let last = &mut sums[len / LANES % VECTORS];
        T::store(last.0, &mut first);
        T::store(last.1, &mut second);
        for i in 0..len % LANES {
            (first[i], second[i]) = pair.add((first[i], second[i]), pick(rest, i), constants);
        }
        *last = (T::load(simd, &first), T::load(simd, &second));
    }
    T::store((sums[0].0 + sums[2].0) + (sums[1].0 + sums[3].0), &mut first);
    T::store((sums[0].1 + sums[2].1) + (sums[1].1 + sums[3].1), &mut second);
    for width in [8, 4, 2, 1] {
        for i in 0..width {
            (first[i], second[i]) = (first[i] + first[i + width], second[i] + second[i + width]);
        }
    }
    (first[0], second[0])
}

struct FoldKernel<'a, T, F>(&'a [T], &'a [T], std::marker::PhantomData<F>);

impl<T: Number, F: Fold> Kernel for FoldKernel<'_, T, F> {
    type Output = T;
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> T {
        fold_inline::<S, T, F>(simd, self.0, self.1)
    }
}

/// Folds two slices of one length, in parallel if they are long.
pub(super) fn fold<T: Number, F: Fold>(x: &[T], y: &[T]) -> T {
    let alone = |x, y| dispatch(FoldKernel(x, y, std::marker::PhantomData::<F>));
    if x.len() <= TASK {
        return alone(x, y);
    }
    scratch::with(x.len().div_ceil(TASK), |parts| {
        for_chunks_mut(parts, 1, |i, part| {
            let range = i * TASK..x.len().min((i + 1) * TASK);
            part[0] = alone(&x[range.clone()], &y[range]);
        });
        let mut tree = Pairwise::new();
        parts.iter().for_each(|&part| tree.push(part, F::merge));
        tree.finish(F::merge).unwrap_or(F::empty())
    })
}

struct RowsKernel<'a, T, F>(&'a [T], usize, &'a mut [T], std::marker::PhantomData<F>);

impl<T: Number, F: Fold> Kernel for RowsKernel<'_, T, F> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (row, out) in self.0.chunks_exact(self.1).zip(self.2) {
            *out = fold_inline::<S, T, F>(simd, row, row);
        }
    }
}

/// Folds every row of `x`, seen as `[out.len(), columns]`.
pub(super) fn fold_rows<T: Number, F: Fold>(x: &[T], columns: usize, out: &mut [T]) {
    if columns == 0 {
        return out.fill(F::empty());
    }
    if columns > TASK && out.len() < 8 {
        return x.chunks_exact(columns).zip(out).for_each(|(row, out)| *out = fold::<T, F>(row, row));
    }
    let rows = TASK.div_ceil(columns);
    for_chunks_mut(out, rows, |i, out| {
        let first = i * rows * columns;
        dispatch(RowsKernel(&x[first..first + out.len() * columns], columns, out, std::marker::PhantomData::<F>));
    });
}
