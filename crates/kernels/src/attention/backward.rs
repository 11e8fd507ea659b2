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
    /// The gradients of one head's `queries` from these keys, and of its `keys` from these queries. What the head
    /// after it reads is asked for on the way.
    ///
    /// A range that a gradient is made for is the caller's alone.
    fn run(&self, head: usize, queries: Range<usize>, keys: Range<usize>, side: Side) {
        let Attention { width, value_width, scale, .. } = *self.inputs;
        let (wide, value_wide, kernels) = (whole(width), whole(value_width), T::kernels(isa()));
        let (rows, block_rows) = (whole(queries.len()), BLOCK.min(whole(keys.len())));
        let per_query = 2 * wide + width + value_wide + value_width + 2;
        let per_key = 2 * wide + value_wide + 2 * BLOCK;
        scratch::with(rows * per_query + block_rows * per_key, |space| {
            let mut space = Space(space);
            let by_query = space.take(rows * wide);
            let packed = Queries {
                scaled: space.take(rows * wide),
                turned: space.take(rows * width),
                incoming: space.take(rows * value_wide),
                turned_incoming: space.take(rows * value_width),
                means: space.take(rows),
                log_sum: space.take(rows),
            };
            let packed = packed.fill(self, head, &queries);
            let key = space.take(block_rows * wide);
            let by_key = space.take(block_rows * wide);
            let by_value = space.take(block_rows * value_wide);
            let weights = space.take(block_rows * BLOCK);
            let slopes = space.take(block_rows * BLOCK);
            by_query.fill(T::ZERO);
            for k in blocks(keys.len()).map(|k| keys.start + k.start..keys.start + k.end) {
                let n = k.len();
                let (head_after, keys_after) = match k.end < keys.end {
                    true => (head, k.end..keys.end.min(k.end + BLOCK)),
                    false => (head + 1, 0..BLOCK),
                };
                let [key_after, value_after] = self.inputs.keys_ahead(head_after, keys_after);
                let [query_after, out_after, gradient_after] = self.queries_ahead(head + 1, k.clone());
                let rows_after = [key_after, value_after, query_after, out_after, gradient_after];
                let ahead = &mut Ahead::new(rows_after, width.max(value_width));
                let key = &mut key[..n * wide];
                let from = self.inputs.key;
                dispatch(super::Gathered {
                    from,
                    head,
                    rows: k.clone(),
                    columns: width,
                    factor: T::ONE,
                    to: &mut *key,
                });
                let (by_key, by_value) = (&mut by_key[..n * wide], &mut by_value[..n * value_wide]);
                by_key.fill(T::ZERO);
                by_value.fill(T::ZERO);
                for q in blocks(queries.len()) {
                    let of_head = queries.start + q.start..queries.start + q.end;
                    if !self.inputs.meet(&of_head, &k) {
                        continue;
                    }
                    let (m, columns) = (q.len(), whole(q.len()));
                    let (weights, slopes) = (&mut weights[..n * columns], &mut slopes[..n * columns]);
                    let block = packed.block(&q, self.inputs);
                    self.tile(
                        head,
                        &of_head,
                        &block,
                        Lanes { data: key, step: 1, lane: wide },
                        &k,
                        weights,
                        slopes,
                        ahead,
                    );
                    if side.keys {
                        let (p, s) = (&*weights, &*slopes);
                        let rows = |data| Lanes { data, step: 1, lane: columns };
                        multiply_near(kernels, [n, value_wide, m], rows(p), block.incoming, by_value, true, || {
                            ahead.ask()
                        });
                        multiply_near(kernels, [n, wide, m], rows(s), block.scaled, by_key, true, || ahead.ask());
                    }
                    if side.queries {
                        let to = &mut by_query[q.start * wide..][..m * wide];
                        let slopes = Lanes { data: slopes, step: columns, lane: 1 };
                        multiply_near(kernels, [m, wide, n], slopes, key, to, true, || ahead.ask());
                    }
                }
                if side.keys {
                    dispatch(Store { target: &self.key, head, first: k.start, rows: by_key, factor: T::ONE });
                    dispatch(Store { target: &self.value, head, first: k.start, rows: by_value, factor: T::ONE });
                }
            }
            if side.queries {
                let rows = &by_query[..queries.len() * wide];
                dispatch(Store { target: &self.query, head, first: queries.start, rows, factor: scale });
            }
        });
    }

    /// What is read of these queries.
    fn queries_ahead(&self, head: usize, queries: Range<usize>) -> [Rows<'_, T>; 3] {
        let queries = queries.start.min(self.inputs.queries)..queries.end.min(self.inputs.queries);
        let Attended { out, gradient, .. } = self.attended;
        [self.inputs.query, *out, *gradient].map(|heads| heads.ahead(head, queries.clone()))
    }

    /// One tile: the weights and the gradients of the scores, `[keys, whole(queries)]` each.
    #[allow(clippy::too_many_arguments)] // the tile's parts, each a slice of one work space
    fn tile(
        &self,
        head: usize,
        queries: &Range<usize>,
        block: &Queries<&[T]>,
        key: Lanes<T>,
        keys: &Range<usize>,
        weights: &mut [T],
        slopes: &mut [T],
        ahead: &mut Ahead<T, 5>,
    ) {
        let (n, columns, value_width) = (keys.len(), whole(queries.len()), self.inputs.value_width);
        self.inputs.scores(head, block.turned, queries, key, keys, weights, || ahead.ask());
        let values = self.inputs.value.lanes(head, keys.start);
        let (sizes, incoming) = ([n, columns, value_width], block.turned_incoming);
        multiply_near(T::kernels(isa()), sizes, values, incoming, slopes, false, || ahead.ask());
        dispatch(Weigh { scores: weights, log_sum: block.log_sum, means: block.means, slopes });
        if let Some(scores) = &self.scores {
            for (i, query) in queries.clone().enumerate() {
                let first = (head * self.inputs.queries + query) * self.inputs.keys;
                // SAFETY: the queries with these keys are this task's alone.
                let to = unsafe { scores.range(first + keys.start..first + keys.end) };
                to.iter_mut().zip(slopes[i..].iter().step_by(columns)).for_each(|(to, &s)| *to = s);
            }
        }
    }
}

/// What a sweep reads of its queries, in blocks as the products want them.
struct Queries<S> {
    /// The scaled queries, `[rows, whole(width)]`.
    scaled: S,
    /// The same, each block `[width, rows]`.
    turned: S,
    /// The gradient of the result, `[rows, whole(value_width)]`.
    incoming: S,
    /// The same, each block `[value_width, rows]`.
    turned_incoming: S,
    /// The scalar products of result and gradient.
    means: S,
    /// ∞ for the rows that fill up the last register: their weights are 0.
    log_sum: S,
}

impl<'a, T: AttentionElement> Queries<&'a mut [T]> {
    fn fill(self, sweep: &Sweep<T>, head: usize, queries: &Range<usize>) -> Queries<&'a [T]> {
        let Queries { scaled, turned, incoming, turned_incoming, means, log_sum } = self;
        let Attention { query, width, value_width, scale, .. } = *sweep.inputs;
        let Attended { out, gradient, log_sum: sums } = sweep.attended;
        let rows = || queries.clone();
        dispatch(super::Gathered { from: query, head, rows: rows(), columns: width, factor: scale, to: &mut *scaled });
        let (from, to) = (*gradient, &mut *incoming);
        dispatch(super::Gathered { from, head, rows: rows(), columns: value_width, factor: T::ONE, to });
        means.fill(T::ZERO);
        let to = &mut means[..queries.len()];
        dispatch(Products { out, gradient, head, first: queries.start, width: value_width, to });
        log_sum.fill(T::INFINITY);
        log_sum[..queries.len()].copy_from_slice(&sums[head * sweep.inputs.queries..][queries.clone()]);
        for block in blocks(queries.len()) {
            let block = block.start..whole(block.end);
            let of = |columns: usize| block.start * columns..block.end * columns;
            turn(&scaled[of(whole(width))], width, &mut turned[of(width)]);
            turn(&incoming[of(whole(value_width))], value_width, &mut turned_incoming[of(value_width)]);
        }
        Queries { scaled, turned, incoming, turned_incoming, means, log_sum }
    }
}

impl<'a, T> Queries<&'a [T]> {
    /// Those of one block.
    fn block(&self, block: &Range<usize>, of: &Attention<T>) -> Queries<&'a [T]> {
        let rows = block.start..whole(block.end);
        let part = |all: &'a [T], columns: usize| &all[rows.start * columns..rows.end * columns];
        Queries {
            scaled: part(self.scaled, whole(of.width)),
            turned: part(self.turned, of.width),
            incoming: part(self.incoming, whole(of.value_width)),
            turned_incoming: part(self.turned_incoming, of.value_width),
            means: part(self.means, 1),
            log_sum: part(self.log_sum, 1),
        }
    }
}

/// Rows `first..` of a head become `factor·rows`, which are filled up to whole registers. They are this task's alone.
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
        for (i, row) in self.rows.chunks_exact(whole(self.target.columns).max(1)).enumerate() {
            // SAFETY: who makes a `Store` promises it.
            let to = unsafe { self.target.row(self.head, self.first + i) };
            for (to, &x) in to.iter_mut().zip(row) {
                *to = x * self.factor;
            }
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
    fn run<S: Simd>(self, s: S) {
        for (i, to) in self.to.iter_mut().enumerate() {
            let row = |of: &Heads<'_, T>| {
                let first = of.offsets[self.head] + (self.first + i) * of.row;
                first..first + self.width
            };
            let mut sum = T::splat(s, T::ZERO);
            if self.width > 0 {
                let (x, y) = (&self.out.data[row(self.out)], &self.gradient.data[row(self.gradient)]);
                let ((x, x_rest), (y, y_rest)) = (x.as_chunks::<LANES>(), y.as_chunks::<LANES>());
                for (x, y) in x.iter().zip(y) {
                    sum = T::load(s, x).fma(T::load(s, y), sum);
                }
                if !x_rest.is_empty() {
                    let (mut x, mut y) = ([T::ZERO; LANES], [T::ZERO; LANES]);
                    x[..x_rest.len()].copy_from_slice(x_rest);
                    y[..y_rest.len()].copy_from_slice(y_rest);
                    sum = T::load(s, &x).fma(T::load(s, &y), sum);
                }
            }
            let mut lanes = [T::ZERO; LANES];
            T::store(sum, &mut lanes);
            for half in [8, 4, 2, 1] {
                for k in 0..half {
                    lanes[k] += lanes[k + half];
                }
            }
            *to = lanes[0];
        }
    }
}

/// A tile of scores becomes their weights, `exp(score − log_sum)`, and `slopes` becomes
/// `weights∘(slopes − mean of the query)`. All rows are whole registers.
pub(super) struct Weigh<'a, T> {
    /// `[keys, queries]`
    pub scores: &'a mut [T],
    /// `[queries]`
    pub log_sum: &'a [T],
    /// `[queries]`
    pub means: &'a [T],
    /// `[keys, queries]`
    pub slopes: &'a mut [T],
}

impl<T: Exponential> Kernel for Weigh<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let m = self.log_sum.len();
        let (log_sum, means) = (self.log_sum.as_chunks::<LANES>().0, self.means.as_chunks::<LANES>().0);
        for (scores, slopes) in self.scores.chunks_exact_mut(m).zip(self.slopes.chunks_exact_mut(m)) {
            let rows = scores.as_chunks_mut::<LANES>().0.iter_mut().zip(slopes.as_chunks_mut::<LANES>().0);
            for ((scores, slopes), (log_sum, means)) in rows.zip(log_sum.iter().zip(means)) {
                let weight = T::exp_lanes(T::load(s, scores) - T::load(s, log_sum));
                T::store(weight, scores);
                T::store(weight * (T::load(s, slopes) - T::load(s, means)), slopes);
            }
        }
    }
}
