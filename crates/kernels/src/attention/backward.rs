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
                        let (p, s) = (Mat::row_major(weights, m), Mat::row_major(slopes, m));
                        gemm(n, value_width, m, p, incoming, by_value, Init::Accumulate);
                        gemm(n, width, m, s, Mat::row_major(scaled, width), by_key, Init::Accumulate);
                    }
                    if side.queries {
                        let to = &mut by_query[(q.start - queries.start) * width..][..m * width];
                        let keys = self.inputs.key.matrix(head, k.start);
                        gemm(m, width, n, Mat::transposed(slopes, m), keys, to, Init::Accumulate);
                    }
                }
                if side.keys {
                    dispatch(Store { target: &self.key, head, first: k.start, rows: by_key, factor: T::ONE });
                    dispatch(Store { target: &self.value, head, first: k.start, rows: by_value, factor: T::ONE });
                }
            }
            if side.queries {
                dispatch(Store { target: &self.query, head, first: queries.start, rows: by_query, factor: scale });
            }
        });
    }

    /// One tile: the weights and the gradients of the scores, `[keys, queries]` each.
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
        dispatch(Products { out, gradient, head, first: queries.start, width: value_width, to: means });
        // The scores pass through `slopes`, which the products with the values then replace.
        self.inputs.scores(head, scaled, queries, keys, slopes);
        let log_sum = &log_sum[head * self.inputs.queries..][queries.clone()];
        dispatch(Weigh { scores: slopes, log_sum, weights });
        let (values, columns) = (self.inputs.value.matrix(head, keys.start), gradient.matrix(head, queries.start).t());
        gemm(n, m, value_width, values, columns, slopes, Init::Zero);
        dispatch(Slopes { weights, means, slopes });
        if let Some(scores) = &self.scores {
            for (i, query) in queries.clone().enumerate() {
                let first = (head * self.inputs.queries + query) * self.inputs.keys;
                // SAFETY: the queries with these keys are this task's alone.
                let to = unsafe { scores.range(first + keys.start..first + keys.end) };
                to.iter_mut().zip(slopes[i..].iter().step_by(m)).for_each(|(to, &s)| *to = s);
            }
        }
    }
}

/// Rows `first..` of a head become `factor·rows`. The rows are this task's alone.
struct Store<'a, T> {
    target: &'a Target<'a, T>,
    head: usize,
    first: usize,
    rows: &'a [T],
    factor: T,
}

impl<T: Exponential> Kernel for Store<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for (i, row) in self.rows.chunks_exact(self.target.columns.max(1)).enumerate() {
            // SAFETY: who makes a `Store` promises it.
            let to = unsafe { self.target.row(self.head, self.first + i) };
            to.iter_mut().zip(row).for_each(|(to, &x)| *to = x * self.factor);
        }
    }
}

/// The scalar products of the rows of a result and its gradient.
pub(super) struct Products<'a, T> {
    pub out: &'a Heads<'a, T>,
    pub gradient: &'a Heads<'a, T>,
    pub head: usize,
    pub first: usize,
    pub width: usize,
    pub to: &'a mut [T],
}

impl<T: Exponential> Kernel for Products<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for (i, to) in self.to.iter_mut().enumerate() {
            let row = |of: &Heads<'_, T>| {
                let first = of.offsets[self.head] + (self.first + i) * of.row;
                first..first + self.width
            };
            let mut lanes = [T::ZERO; LANES];
            if self.width > 0 {
                let (x, y) = (&self.out.data[row(self.out)], &self.gradient.data[row(self.gradient)]);
                let ((x, x_rest), (y, y_rest)) = (x.as_chunks::<LANES>(), y.as_chunks::<LANES>());
                for (x, y) in x.iter().zip(y) {
                    for k in 0..LANES {
                        lanes[k] = x[k].fma(y[k], lanes[k]);
                    }
                }
                lanes.iter_mut().zip(x_rest.iter().zip(y_rest)).for_each(|(sum, (&x, &y))| *sum = x.fma(y, *sum));
            }
            for half in [8, 4, 2, 1] {
                for k in 0..half {
                    lanes[k] += lanes[k + half];
                }
            }
            *to = lanes[0];
        }
    }
}

/// The weights of a tile from its scores: `exp(score − log_sum)`.
pub(super) struct Weigh<'a, T> {
    /// `[keys, queries]`
    pub scores: &'a [T],
    /// `[queries]`
    pub log_sum: &'a [T],
    pub weights: &'a mut [T],
}

impl<T: Exponential> Kernel for Weigh<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let m = self.log_sum.len();
        for (scores, weights) in self.scores.chunks_exact(m).zip(self.weights.chunks_exact_mut(m)) {
            T::exp_differences(s, scores, self.log_sum, weights);
        }
    }
}

/// `slopes = weights∘(slopes − mean of the query)`
pub(super) struct Slopes<'a, T> {
    /// `[keys, queries]`
    pub weights: &'a [T],
    /// `[queries]`
    pub means: &'a [T],
    pub slopes: &'a mut [T],
}

impl<T: Exponential> Kernel for Slopes<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let m = self.means.len();
        for (weights, slopes) in self.weights.chunks_exact(m).zip(self.slopes.chunks_exact_mut(m)) {
            let parts = weights.iter().zip(self.means);
            slopes.iter_mut().zip(parts).for_each(|(s, (&p, &mean))| *s = p * (*s - mean));
        }
    }
}
