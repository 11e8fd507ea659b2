//! The forward pass: a block of queries meets all keys, with a softmax that is corrected on the way.

use super::*;
use crate::scratch;

pub(super) fn run<T: AttentionElement>(inputs: &Attention<T>, out: HeadsMut<T>, log_sum: &mut [T]) {
    let (heads, queries) = (inputs.heads(), inputs.queries);
    let out = Target::new(out, heads, queries, inputs.value_width, "result");
    assert_eq!(log_sum.len(), heads * queries, "one logarithm for each query");
    let log_sum = SharedMut::new(log_sum);
    let per_head = queries.div_ceil(BLOCK);
    let each = TASK / inputs.work().max(1) + 1;
    parallel_for((heads * per_head).div_ceil(each), |task| {
        for i in task * each..(heads * per_head).min((task + 1) * each) {
            let (head, queries) = (i / per_head, block(i % per_head, queries));
            let first = head * inputs.queries;
            // SAFETY: a block of queries of a head is one task's alone.
            let log_sum = unsafe { log_sum.range(first + queries.start..first + queries.end) };
            attend(inputs, head, queries, &out, log_sum);
        }
    });
}

/// One block of queries of a head. What the block after it reads is asked for on the way.
fn attend<T: AttentionElement>(
    inputs: &Attention<T>,
    head: usize,
    queries: Range<usize>,
    out: &Target<T>,
    log_sum: &mut [T],
) {
    let Attention { width, value_width, scale, .. } = *inputs;
    let (rows, wide, value_wide) = (whole(queries.len()), whole(width), whole(value_width));
    let kernels = T::kernels(isa());
    scratch::with(rows * (wide + width + BLOCK + value_wide + 3) + BLOCK * value_wide, |space| {
        let mut space = Space(space);
        let scaled = space.take(rows * wide);
        let turned = space.take(rows * width);
        let scores = space.take(rows * BLOCK);
        let values = space.take(BLOCK * value_wide);
        let gathered = space.take(rows * value_wide);
        let [largest, sums, factors] = std::array::from_fn(|_| space.take(rows));
        dispatch(Gathered {
            from: inputs.query,
            head,
            rows: queries.clone(),
            columns: width,
            factor: scale,
            to: scaled,
        });
        turn(scaled, width, turned);
        gathered.fill(T::ZERO);
        largest.fill(T::LOWEST);
        sums.fill(T::ZERO);
        for keys in blocks(inputs.keys).filter(|keys| inputs.meet(&queries, keys)) {
            let n = keys.len();
            let next = keys.end..keys.end + BLOCK;
            // The next keys, or the next queries and the keys they begin with.
            let (head_after, keys_after, queries_after) =
                match (next.start < inputs.keys && inputs.meet(&queries, &next), queries.end < inputs.queries) {
                    (true, _) => (head, next, 0..0),
                    (false, true) => (head, 0..0, block(queries.end / BLOCK, inputs.queries)),
                    (false, false) => (head + 1, 0..BLOCK, block(0, inputs.queries)),
                };
            let [key, value] = inputs.keys_ahead(head_after, keys_after);
            let rows_after = [key, value, inputs.query.ahead(head_after, queries_after)];
            let mut ahead = Ahead::new(rows_after, width.max(value_width));
            let (scores, values) = (&mut scores[..n * rows], &mut values[..n * value_wide]);
            let key = inputs.key.lanes(head, keys.start);
            inputs.scores(head, turned, &queries, key, &keys, scores, || ahead.ask());
            dispatch(Reweigh {
                scores: &mut *scores,
                gathered: &mut *gathered,
                largest: &mut *largest,
                sums: &mut *sums,
                factors: &mut *factors,
            });
            let from = inputs.value;
            dispatch(Gathered { from, head, rows: keys, columns: value_width, factor: T::ONE, to: &mut *values });
            let weights = Lanes { data: scores, step: rows, lane: 1 };
            multiply_near(kernels, [queries.len(), value_wide, n], weights, values, gathered, true, || ahead.ask());
        }
        dispatch(Finish { out, head, first: queries.start, gathered, largest, sums, log_sum });
    });
}

/// The results of a block of queries, which are this task's alone, and the logarithms of their sums.
struct Finish<'a, T> {
    out: &'a Target<'a, T>,
    head: usize,
    first: usize,
    /// Rows of whole registers.
    gathered: &'a [T],
    largest: &'a [T],
    sums: &'a [T],
    log_sum: &'a mut [T],
}

impl<T: Exponential> Kernel for Finish<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let (columns, wide) = (self.out.columns, whole(self.out.columns));
        for (i, log_sum) in self.log_sum.iter_mut().enumerate() {
            // SAFETY: who makes a `Finish` promises it.
            let to = unsafe { self.out.row(self.head, self.first + i) };
            if self.sums[i] == T::ZERO {
                to.fill(T::ZERO);
                *log_sum = T::INFINITY;
                continue;
            }
            let share = T::ONE / self.sums[i];
            for (to, &x) in to.iter_mut().zip(&self.gathered[i * wide..][..columns]) {
                *to = x * share;
            }
            *log_sum = self.largest[i] + self.sums[i].log();
        }
    }
}

/// A tile of scores becomes their weights relative to the largest score of each query so far; what came before is
/// rescaled to that. All rows are whole registers.
///
/// The largest is at first the least finite number: the difference of -∞ to it is -∞, so that what is hidden weighs
/// nothing before anything has been seen.
pub(super) struct Reweigh<'a, T> {
    /// `[keys, queries]`
    pub scores: &'a mut [T],
    /// `[queries, value_width]`
    pub gathered: &'a mut [T],
    /// `[queries]`
    pub largest: &'a mut [T],
    /// `[queries]`
    pub sums: &'a mut [T],
    /// Room for `[queries]`.
    pub factors: &'a mut [T],
}

impl<T: Exponential> Kernel for Reweigh<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Reweigh { scores, gathered, largest, sums, factors } = self;
        let (m, width) = (sums.len(), gathered.len() / sums.len());
        let shifts = factors.as_chunks_mut::<LANES>().0;
        // The largest of several vectors of queries side by side: one chain of comparisons alone would be waited for.
        for (j, shifts) in shifts.chunks_mut(4).enumerate() {
            let mut tops = [T::splat(s, T::LOWEST); 4];
            let known = &largest.as_chunks::<LANES>().0[4 * j..];
            for (top, known) in tops.iter_mut().zip(known) {
                *top = T::load(s, known);
            }
            for row in scores.chunks_exact(m) {
                let row = &row.as_chunks::<LANES>().0[4 * j..];
                if row.len() >= 4 {
                    for k in 0..4 {
                        tops[k] = tops[k].larger(T::load(s, &row[k]));
                    }
                } else {
                    for (top, score) in tops.iter_mut().zip(row) {
                        *top = top.larger(T::load(s, score));
                    }
                }
            }
            for (shift, top) in shifts.iter_mut().zip(tops) {
                T::store(top, shift);
            }
        }
        let sums = sums.as_chunks_mut::<LANES>().0.iter_mut().zip(shifts);
        for (j, (largest, (sum, factor))) in largest.as_chunks_mut::<LANES>().0.iter_mut().zip(sums).enumerate() {
            let shift = T::load(s, factor);
            let mut total = T::splat(s, T::ZERO);
            for row in scores.chunks_exact_mut(m) {
                let at = &mut row.as_chunks_mut::<LANES>().0[j];
                let weight = T::exp_lanes(T::load(s, at) - shift);
                T::store(weight, at);
                total = total + weight;
            }
            let rescale = T::exp_lanes(T::load(s, largest) - shift);
            T::store(T::load(s, sum).fma(rescale, total), sum);
            T::store(rescale, factor);
            T::store(shift, largest);
        }
        for (i, &factor) in factors.iter().enumerate() {
            if factor != T::ONE {
                for x in &mut gathered[i * width..][..width] {
                    *x = *x * factor;
                }
            }
        }
    }
}
