//! Attention: `softmax(scale·Q·Kᵀ + mask)·V`, forward and backward, without ever holding the matrix of weights.
//!
//! A block of queries meets one block of keys after the other and keeps, for every query, the largest score so far and
//! the sum of the exponentials of the differences to it; what has been gathered is rescaled when a larger score turns
//! up (Milakov & Gimelshein 2018). The logarithm of that sum is all that the backward pass needs to make the weights
//! again, block by block (Dao et al. 2022, "FlashAttention"). Blocks that a causal mask hides are not computed.
//!
//! Blocks are cut by the sizes alone and each result has one owner that visits its blocks in order.

mod backward;
mod forward;

use std::ops::Range;

use crate::gemm::{Element, GemmElement, Lanes, multiply_near, transpose};
use crate::number::Arithmetic;
use crate::scratch::Plain;
use crate::simd::{Kernel, LANES, Simd, dispatch, isa, prefetch};
use crate::softmax::{Exponential, SoftmaxElement};
use crate::threads::{SharedMut, parallel_for};

/// Queries and keys of a block: a tile of scores and one of weights fill 32 KiB.
const BLOCK: usize = 64;
/// Multiply-adds worth a task.
const TASK: usize = 1 << 18;

/// One matrix per head in a slice: row `i` of head `h` begins at `data[offsets[h] + i·row]`, its columns are neighbours.
#[derive(Clone, Copy, Debug)]
pub struct Heads<'a, T> {
    /// The elements.
    pub data: &'a [T],
    /// Where each head's matrix begins.
    pub offsets: &'a [usize],
    /// Elements from a row to the next.
    pub row: usize,
}

impl<'a, T> Heads<'a, T> {
    /// The rows of a head from `first` on, as lanes of a product.
    fn lanes(&self, head: usize, first: usize) -> Lanes<'a, T> {
        let data = self.data.get(self.offsets[head] + first * self.row..).unwrap_or(&[]);
        Lanes { data, step: 1, lane: self.row }
    }

    /// Rows that will be read: none if there is no such head.
    fn ahead(&self, head: usize, rows: Range<usize>) -> Rows<'a, T> {
        let first = self.offsets.get(head).and_then(|&first| self.data.get(first + rows.start * self.row..));
        Rows { data: first.unwrap_or(&[]), row: self.row, count: rows.len() }
    }

    #[track_caller]
    fn check(&self, heads: usize, rows: usize, columns: usize, what: &str) {
        assert_eq!(self.offsets.len(), heads, "{what}: one offset for each head");
        let last = self.offsets.iter().max().map_or(0, |&first| first + (rows.max(1) - 1) * self.row + columns);
        assert!(rows * columns == 0 || last <= self.data.len(), "{what}: {last} elements, got {}", self.data.len());
    }
}

/// Where a result goes, as [`Heads`] says where an input is.
#[derive(Debug)]
pub struct HeadsMut<'a, T> {
    /// The elements.
    pub data: &'a mut [T],
    /// Where each head's matrix begins; the matrices do not overlap.
    pub offsets: &'a [usize],
    /// Elements from a row to the next.
    pub row: usize,
}

/// A result that several tasks write, each its own rows.
struct Target<'a, T> {
    data: SharedMut<'a, T>,
    offsets: &'a [usize],
    row: usize,
    columns: usize,
}

impl<'a, T: Copy> Target<'a, T> {
    #[track_caller]
    fn new(target: HeadsMut<'a, T>, heads: usize, rows: usize, columns: usize, what: &str) -> Self {
        let HeadsMut { data, offsets, row } = target;
        Heads { data: &*data, offsets, row }.check(heads, rows, columns, what);
        Target { data: SharedMut::new(data), offsets, row, columns }
    }

    /// # Safety
    /// Nobody else holds this row of this head.
    #[allow(clippy::mut_from_ref)]
    unsafe fn row(&self, head: usize, row: usize) -> &mut [T] {
        if self.columns == 0 {
            return &mut [];
        }
        let start = self.offsets[head] + row * self.row;
        // SAFETY: the caller's promise; rows of one head and matrices of different heads are apart.
        unsafe { self.data.range(start..start + self.columns) }
    }
}

/// What a mask holds.
#[derive(Clone, Copy, Debug)]
pub enum MaskValues<'a, T> {
    /// Whether a query sees a key.
    Seen(&'a [bool]),
    /// A number that is added to the score.
    Added(&'a [T]),
}

/// A mask of the scores: element `(i, j)` of head `h` is at `offsets[h] + i·row + j·column`; strides of zero broadcast.
#[derive(Clone, Copy, Debug)]
pub struct Mask<'a, T> {
    /// The elements.
    pub values: MaskValues<'a, T>,
    /// Where each head's mask begins.
    pub offsets: &'a [usize],
    /// Elements from a query to the next.
    pub row: usize,
    /// Elements from a key to the next.
    pub column: usize,
}

/// What attention reads, forward and backward.
#[derive(Clone, Copy, Debug)]
pub struct Attention<'a, T> {
    /// `[queries, width]` for each head.
    pub query: Heads<'a, T>,
    /// `[keys, width]`
    pub key: Heads<'a, T>,
    /// `[keys, value_width]`
    pub value: Heads<'a, T>,
    /// Queries of a head.
    pub queries: usize,
    /// Keys of a head.
    pub keys: usize,
    /// Elements of a query and of a key.
    pub width: usize,
    /// Elements of a value.
    pub value_width: usize,
    /// What products of queries and keys are multiplied by.
    pub scale: T,
    /// Whether query `i` sees keys `0..=i` only.
    pub causal: bool,
    /// What else is hidden or added.
    pub mask: Option<Mask<'a, T>>,
}

/// What the backward pass reads besides the inputs.
#[derive(Clone, Copy, Debug)]
pub struct Attended<'a, T> {
    /// The result, `[queries, value_width]` for each head.
    pub out: Heads<'a, T>,
    /// `[heads, queries]`: the logarithm of the sum of each query's exponentials, ∞ where it sees nothing.
    pub log_sum: &'a [T],
    /// The gradient of the result.
    pub gradient: Heads<'a, T>,
}

/// Where the gradients go.
#[derive(Debug)]
pub struct AttentionGradients<'a, T> {
    /// `[queries, width]` for each head.
    pub query: HeadsMut<'a, T>,
    /// `[keys, width]`
    pub key: HeadsMut<'a, T>,
    /// `[keys, value_width]`
    pub value: HeadsMut<'a, T>,
    /// `[heads, queries, keys]`: the gradient of the scores, which is that of an added mask.
    pub scores: Option<&'a mut [T]>,
}

/// An element type of attention: `f32` or `f64`.
#[allow(private_bounds)]
pub trait AttentionElement: GemmElement + SoftmaxElement + Passes {}
impl AttentionElement for f32 {}
impl AttentionElement for f64 {}

/// Both passes, compiled in this crate and not again in every crate that calls them.
pub(crate) trait Passes: Sized {
    fn attend(inputs: &Attention<Self>, out: HeadsMut<Self>, log_sum: &mut [Self]);
    fn attend_backward(inputs: &Attention<Self>, attended: &Attended<Self>, to: AttentionGradients<Self>);
}

macro_rules! passes {
    ($($type:ty)*) => { $(
        impl Passes for $type {
            fn attend(inputs: &Attention<$type>, out: HeadsMut<$type>, log_sum: &mut [$type]) {
                forward::run(inputs, out, log_sum);
            }

            fn attend_backward(inputs: &Attention<$type>, attended: &Attended<$type>, to: AttentionGradients<$type>) {
                backward::run(inputs, attended, to);
            }
        }
    )* };
}
passes!(f32 f64);

/// `out[h] = softmax(scale·Q[h]·K[h]ᵀ + mask[h])·V[h]` for every head, and the logarithms of the softmax's sums. A query
/// that sees nothing gets zeros.
///
/// # Panics
/// If a slice is too short for its sizes.
#[track_caller]
pub fn attention<T: AttentionElement>(inputs: &Attention<T>, out: HeadsMut<T>, log_sum: &mut [T]) {
    inputs.check();
    T::attend(inputs, out, log_sum);
}

/// The gradients of [`attention`]. With the weights P, `D[i] = Σ out[i]·gradient[i]` and
/// `S' = P∘(gradient·Vᵀ − D)`: those of the values are `Pᵀ·gradient`, of the scores `S'`, of the queries `scale·S'·K`
/// and of the keys `scale·S'ᵀ·Q`.
///
/// # Panics
/// If a slice is too short for its sizes.
#[track_caller]
pub fn attention_backward<T: AttentionElement>(
    inputs: &Attention<T>,
    attended: &Attended<T>,
    to: AttentionGradients<T>,
) {
    inputs.check();
    attended.out.check(inputs.heads(), inputs.queries, inputs.value_width, "result");
    attended.gradient.check(inputs.heads(), inputs.queries, inputs.value_width, "gradient");
    assert_eq!(attended.log_sum.len(), inputs.heads() * inputs.queries, "one logarithm for each query");
    T::attend_backward(inputs, attended, to);
}

impl<T> Attention<'_, T> {
    fn heads(&self) -> usize {
        self.query.offsets.len()
    }

    #[track_caller]
    fn check(&self) {
        self.query.check(self.heads(), self.queries, self.width, "queries");
        self.key.check(self.heads(), self.keys, self.width, "keys");
        self.value.check(self.heads(), self.keys, self.value_width, "values");
        let Some(mask) = &self.mask else { return };
        assert_eq!(mask.offsets.len(), self.heads(), "mask: one offset for each head");
        let reach = (self.queries.max(1) - 1) * mask.row + (self.keys.max(1) - 1) * mask.column + 1;
        let last = mask.offsets.iter().max().map_or(0, |first| first + reach);
        let len = match mask.values {
            MaskValues::Seen(seen) => seen.len(),
            MaskValues::Added(added) => added.len(),
        };
        assert!(self.queries * self.keys == 0 || last <= len, "mask: {last} elements, got {len}");
    }

    /// Multiply-adds of a block of queries with all keys.
    fn work(&self) -> usize {
        BLOCK.min(self.queries) * self.keys * (self.width + self.value_width)
    }
}

impl<T: AttentionElement> Attention<'_, T> {
    /// Whether some query of the block `queries` sees some key of the block `keys`.
    fn meet(&self, queries: &Range<usize>, keys: &Range<usize>) -> bool {
        !self.causal || keys.start < queries.end
    }

    /// What is read of a block of keys: themselves and their values.
    fn keys_ahead(&self, head: usize, keys: Range<usize>) -> [Rows<'_, T>; 2] {
        let keys = keys.start.min(self.keys)..keys.end.min(self.keys);
        [self.key.ahead(head, keys.clone()), self.value.ahead(head, keys)]
    }

    /// The scores of two blocks, -∞ where they are hidden: `[keys, whole(queries)]`. `turned` are the scaled queries,
    /// `[width, whole(queries)]`, and `key` the keys.
    ///
    /// A tile lies with the queries as its columns, so that all that is done to the scores of one query is done to
    /// many at once.
    #[allow(clippy::too_many_arguments)] // two blocks, each with its place and its elements
    fn scores(
        &self,
        head: usize,
        turned: &[T],
        queries: &Range<usize>,
        key: Lanes<T>,
        keys: &Range<usize>,
        to: &mut [T],
        between: impl FnMut(),
    ) {
        let (m, n, columns) = (queries.len(), keys.len(), whole(queries.len()));
        multiply_near(T::kernels(isa()), [n, columns, self.width], key, turned, to, false, between);
        if let Some(mask) = &self.mask {
            for (key, row) in keys.clone().zip(to.chunks_exact_mut(columns)) {
                let first = mask.offsets[head] + queries.start * mask.row + key * mask.column;
                let reach = first..first + (m - 1) * mask.row + 1;
                let row = &mut row[..m];
                match mask.values {
                    MaskValues::Added(all) => {
                        let added = &all[reach];
                        row.iter_mut().enumerate().for_each(|(i, s)| *s += added[i * mask.row]);
                    }
                    MaskValues::Seen(all) => {
                        let seen = &all[reach];
                        row.iter_mut().enumerate().for_each(|(i, s)| {
                            *s = if seen[i * mask.row] { *s } else { T::NEGATIVE_INFINITY };
                        });
                    }
                }
            }
        }
        if self.causal && keys.end > queries.start + 1 {
            for (key, row) in keys.clone().zip(to.chunks_exact_mut(columns)) {
                row[..key.saturating_sub(queries.start).min(m)].fill(T::NEGATIVE_INFINITY);
            }
        }
    }
}

/// The least multiple of a vector's lanes: rows of that many elements are whole registers.
fn whole(len: usize) -> usize {
    len.next_multiple_of(LANES)
}

/// Rows of a head.
struct Rows<'a, T> {
    /// From the first on.
    data: &'a [T],
    row: usize,
    count: usize,
}

/// Rows that are read after what is computed now. Where heads lie side by side the hardware does not foresee them, and
/// all at once they would be waited for: so they are asked for a few at a time.
struct Ahead<'a, T, const N: usize> {
    rows: [Rows<'a, T>; N],
    /// How many of each have been asked for.
    asked: usize,
    /// Elements of a row.
    columns: usize,
}

impl<'a, T, const N: usize> Ahead<'a, T, N> {
    fn new(rows: [Rows<'a, T>; N], columns: usize) -> Self {
        Ahead { rows, asked: 0, columns }
    }

    fn ask(&mut self) {
        const AT_ONCE: usize = 5;
        for row in self.asked..self.asked + AT_ONCE {
            for rows in self.rows.iter().filter(|rows| row < rows.count) {
                prefetch(rows.data.get(row * rows.row..row * rows.row + self.columns).unwrap_or(&[]));
            }
        }
        self.asked += AT_ONCE;
    }
}

/// Rows of a head multiplied by a number, one after the other, with zeros to whole registers and after the last row.
struct Gathered<'a, T> {
    from: Heads<'a, T>,
    head: usize,
    rows: Range<usize>,
    columns: usize,
    factor: T,
    /// Rows of `whole(columns)`.
    to: &'a mut [T],
}

impl<T: Exponential> Kernel for Gathered<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        if self.columns == 0 {
            return;
        }
        let start = self.from.offsets[self.head] + self.rows.start * self.from.row;
        for (i, to) in self.to.chunks_exact_mut(whole(self.columns)).enumerate() {
            let (to, rest) = to.split_at_mut(self.columns);
            rest.fill(T::ZERO);
            if i < self.rows.len() {
                let row = &self.from.data[start + i * self.from.row..][..self.columns];
                for (to, &x) in to.iter_mut().zip(row) {
                    *to = x * self.factor;
                }
            } else {
                to.fill(T::ZERO);
            }
        }
    }
}

/// `[columns, whole(rows)]` becomes the transpose of what [`Gathered`] gives.
fn turn<T: Element>(rows: &[T], columns: usize, to: &mut [T]) {
    if columns > 0 {
        let count = rows.len() / whole(columns);
        transpose(rows, |row| row * whole(columns), count, columns, to, count);
    }
}

/// Work space, in parts whose lengths are whole registers.
struct Space<'a, T>(&'a mut [T]);

impl<'a, T: Plain> Space<'a, T> {
    fn take(&mut self, len: usize) -> &'a mut [T] {
        let (part, rest) = std::mem::take(&mut self.0).split_at_mut(whole(len));
        self.0 = rest;
        &mut part[..len]
    }
}

/// `0..len` in blocks.
fn blocks(len: usize) -> impl Iterator<Item = Range<usize>> {
    (0..len).step_by(BLOCK).map(move |first| first..len.min(first + BLOCK))
}

/// Block `number` of `0..len`.
fn block(number: usize, len: usize) -> Range<usize> {
    number * BLOCK..len.min((number + 1) * BLOCK)
}

#[cfg(test)]
mod tests;
