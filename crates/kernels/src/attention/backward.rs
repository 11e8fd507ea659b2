//! The backward pass: the weights of each tile are made again from the saved logarithms.

use super::*;
use crate::scratch;

/// From this many heads on each is one task, which makes every tile once. Fewer are cut further, and tiles are then made
/// twice: for the gradients of the keys and for those of the queries.
const ENOUGH_HEADS: usize = 8;

pub(super) fn run<T: AttentionElement>(inputs: &Attention<T>, attended: &Attended<T>, to: AttentionGradients<T>) {
    let (heads, queries, keys) = (inputs.heads(), inputs.queries, inputs.keys);
    let scores = to.scores.map(|scores| {
        assert_eq!(scores.len(), heads * queries * keys, "one gradient for each score");
        scores.fill(T::ZERO);
        SharedMut::new(scores)
    });
    let sweep = Sweep {
        inputs,
        attended,
        query: Target::new(to.query, heads, queries, inputs.width, "gradient of queries"),
        key: Target::new(to.key, heads, keys, inputs.width, "gradient of keys"),
        value: Target::new(to.value, heads, keys, inputs.value_width, "gradient of values"),
        scores,
    };
    if heads >= ENOUGH_HEADS {
        let work = inputs.work() * queries.div_ceil(BLOCK);
        let each = TASK / work.max(1) + 1;
        return parallel_for(heads.div_ceil(each), |task| {
            (task * each..heads.min((task + 1) * each)).for_each(|h| sweep.run(h, 0..queries, 0..keys, Side::BOTH));
        });
    }
    let (query_blocks, key_blocks) = (queries.div_ceil(BLOCK), keys.div_ceil(BLOCK));
    parallel_for(heads * key_blocks, |i| {
        sweep.run(i / key_blocks, 0..queries, block(i % key_blocks, keys), Side::KEYS);
    });
    parallel_for(heads * query_blocks, |i| {
        sweep.run(i / query_blocks, block(i % query_blocks, queries), 0..keys, Side::QUERIES);
    });
}

/// Which gradients a sweep over tiles makes.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Side {
    queries: bool,
    keys: bool,
}

impl Side {
    const BOTH: Side = Side { queries: true, keys: true };
    const QUERIES: Side = Side { queries: true, keys: false };
    const KEYS: Side = Side { queries: false, keys: true };
}

struct Sweep<'a, T> {
    inputs: &'a Attention<'a, T>,
    attended: &'a Attended<'a, T>,
    query: Target<'a, T>,
    key: Target<'a, T>,
    value: Target<'a, T>,
    scores: Option<SharedMut<'a, T>>,
}

impl<T: AttentionElement> Sweep<'_, T> {
    /// The gradients of one head's `queries` from these keys, and of its `keys` from these queries.
    ///
    /// A range that a gradient is made for is the caller's alone.
    fn run(&self, head: usize, queries: Range<usize>, keys: Range<usize>, side: Side) {
        let Attention { width, value_width, scale, .. } = *self.inputs;
        let tile = BLOCK * (width + 2 * BLOCK + 1 + width + value_width);
        scratch::with(queries.len() * width + tile, |space| {
            let (by_query, space) = space.split_at_mut(queries.len() * width);
            let (scaled, space) = space.split_at_mut(BLOCK * width);
            let (weights, space) = space.split_at_mut(BLOCK * BLOCK);
            let (slopes, space) = space.split_at_mut(BLOCK * BLOCK);
            let (means, space) = space.split_at_mut(BLOCK);
            let (by_key, by_value) = space.split_at_mut(BLOCK * width);
            by_query.fill(T::ZERO);
            for k in blocks(keys.len()).map(|k| keys.start + k.start..keys.start + k.end) {
                let n = k.len();
                let (by_key, by_value) = (&mut by_key[..n * width], &mut by_value[..n * value_width]);
                by_key.fill(T::ZERO);
                by_value.fill(T::ZERO);
                for q in blocks(queries.len()).map(|q| queries.start + q.start..queries.start + q.end) {
                    if !self.inputs.meet(&q, &k) {
                        continue;
                    }
                    let m = q.len();
                    let (scaled, means) = (&mut scaled[..m * width], &mut means[..m]);
                    let (weights, slopes) = (&mut weights[..m * n], &mut slopes[..m * n]);
                    self.tile(head, &q, &k, scaled, means, weights, slopes);
                    let incoming = self.attended.gradient.matrix(head, q.start);
                    if side.keys {
                        let (p, s) = (Mat::transposed(weights, n), Mat::transposed(slopes, n));
                        gemm(n, value_width, m, p, incoming, by_value, Init::Accumulate);
                        gemm(n, width, m, s, Mat::row_major(scaled, width), by_key, Init::Accumulate);
                    }
                    if side.queries {
                        let to = &mut by_query[(q.start - queries.start) * width..][..m * width];
                        let keys = self.inputs.key.matrix(head, k.start);
                        gemm(m, width, n, Mat::row_major(slopes, n), keys, to, Init::Accumulate);
                    }
                }
                if side.keys {
                    store(&self.key, head, k.start, by_key, T::ONE);
                    store(&self.value, head, k.start, by_value, T::ONE);
                }
            }
            if side.queries {
                store(&self.query, head, queries.start, by_query, scale);
            }
        });
    }

    /// One tile: the weights and the gradients of the scores, `[queries, keys]` each, from the scaled queries.
    #[allow(clippy::too_many_arguments)] // the tile's parts, each a slice of one work space
    fn tile(
        &self,
        head: usize,
        queries: &Range<usize>,
        keys: &Range<usize>,
        scaled: &mut [T],
        means: &mut [T],
        weights: &mut [T],
        slopes: &mut [T],
    ) {
        let Attended { out, log_sum, gradient } = self.attended;
        let (m, n, value_width) = (queries.len(), keys.len(), self.inputs.value_width);
        self.inputs.scaled_queries(head, queries, scaled);
        for (query, mean) in queries.clone().zip(&mut *means) {
            let (out, gradient) = (out.row(head, query, value_width), gradient.row(head, query, value_width));
            *mean = dispatch(Product(out, gradient));
        }
        // The scores pass through `slopes`, which the products with the values then replace.
        self.inputs.scores(head, scaled, queries, keys, slopes);
        let log_sum = &log_sum[head * self.inputs.queries..][queries.clone()];
        let seen = |row: usize| self.inputs.seen(queries.start + row, keys);
        dispatch(Weigh { scores: slopes, n, seen, log_sum, weights });
        let (rows, values) = (gradient.matrix(head, queries.start), self.inputs.value.matrix(head, keys.start));
        gemm(m, n, value_width, rows, values.t(), slopes, Init::Zero);
        dispatch(Slopes { weights, n, means, slopes });
        if let Some(scores) = &self.scores {
            for (query, row) in queries.clone().zip(slopes.chunks_exact(n)) {
                let first = (head * self.inputs.queries + query) * self.inputs.keys;
                // SAFETY: the queries with these keys are this task's alone.
                unsafe { scores.range(first + keys.start..first + keys.end) }.copy_from_slice(row);
            }
        }
    }
}

/// Rows `first..` of a head become `factor·rows`.
fn store<T: Exponential>(target: &Target<T>, head: usize, first: usize, rows: &[T], factor: T) {
    for (i, row) in rows.chunks_exact(target.columns.max(1)).enumerate() {
        // SAFETY: the rows are this task's alone.
        let to = unsafe { target.row(head, first + i) };
        to.iter_mut().zip(row).for_each(|(to, &x)| *to = x * factor);
    }
}

/// The scalar product of two rows.
struct Product<'a, T>(&'a [T], &'a [T]);

impl<T: Exponential> Kernel for Product<'_, T> {
    type Output = T;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> T {
        fold_inline::<T, Dot>(self.0, self.1)
    }
}

/// The weights of a tile from its scores: `exp(score − log_sum)`, zero for what a row does not see.
struct Weigh<'a, T, F> {
    scores: &'a [T],
    n: usize,
    seen: F,
    log_sum: &'a [T],
    weights: &'a mut [T],
}

impl<T: Exponential, F: Fn(usize) -> usize> Kernel for Weigh<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (row, &log_sum) in self.log_sum.iter().enumerate() {
            let seen = (self.seen)(row);
            let (weights, hidden) = self.weights[row * self.n..][..self.n].split_at_mut(seen);
            T::exp_shifted(s, &self.scores[row * self.n..][..seen], log_sum, weights);
            hidden.fill(T::ZERO);
        }
    }
}

/// `slopes = weights∘(slopes − mean of the row)`
struct Slopes<'a, T> {
    weights: &'a [T],
    n: usize,
    means: &'a [T],
    slopes: &'a mut [T],
}

impl<T: Exponential> Kernel for Slopes<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let rows = self.weights.chunks_exact(self.n).zip(self.slopes.chunks_exact_mut(self.n));
        for ((weights, slopes), &mean) in rows.zip(self.means) {
            slopes.iter_mut().zip(weights).for_each(|(s, &p)| *s = p * (*s - mean));
        }
    }
}
