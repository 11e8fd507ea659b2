//! The forward pass: a block of queries meets all keys, with a softmax that is corrected on the way.

use super::*;
use crate::reduce::{Fold, Max, Sum};
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

/// One block of queries of a head.
fn attend<T: AttentionElement>(
    inputs: &Attention<T>,
    head: usize,
    queries: Range<usize>,
    out: &Target<T>,
    log_sum: &mut [T],
) {
    let (m, width, value_width) = (queries.len(), inputs.width, inputs.value_width);
    scratch::with(m * (width + 2 * BLOCK + value_width + 2), |space| {
        let (scaled, space) = space.split_at_mut(m * width);
        let (scores, space) = space.split_at_mut(m * BLOCK);
        let (weights, space) = space.split_at_mut(m * BLOCK);
        let (gathered, space) = space.split_at_mut(m * value_width);
        let (largest, sums) = space.split_at_mut(m);
        inputs.scaled_queries(head, &queries, scaled);
        gathered.fill(T::ZERO);
        largest.fill(T::NEGATIVE_INFINITY);
        sums.fill(T::ZERO);
        for keys in blocks(inputs.keys).filter(|keys| inputs.meet(&queries, keys)) {
            let n = keys.len();
            let (scores, weights) = (&mut scores[..m * n], &mut weights[..m * n]);
            inputs.scores(head, scaled, &queries, &keys, scores);
            let seen = |row: usize| inputs.seen(queries.start + row, &keys);
            let (gathered, largest, sums) = (&mut *gathered, &mut *largest, &mut *sums);
            dispatch(Reweigh { scores, weights, n, seen, gathered, largest, sums });
            let rows = Mat::row_major(weights, n);
            gemm(m, value_width, n, rows, inputs.value.matrix(head, keys.start), gathered, Init::Accumulate);
        }
        for row in 0..m {
            // SAFETY: the block of queries is this task's alone.
            let to = unsafe { out.row(head, queries.start + row) };
            if largest[row] == T::NEGATIVE_INFINITY {
                to.fill(T::ZERO);
                log_sum[row] = T::INFINITY;
                continue;
            }
            let share = T::ONE / sums[row];
            let gathered = &gathered[row * value_width..][..value_width];
            to.iter_mut().zip(gathered).for_each(|(to, &x)| *to = x * share);
            log_sum[row] = largest[row] + sums[row].log();
        }
    });
}

/// The weights of a tile of scores relative to the largest score so far; what came before is rescaled to it.
struct Reweigh<'a, T, F> {
    scores: &'a [T],
    weights: &'a mut [T],
    /// Keys of the tile.
    n: usize,
    /// How many of them a row sees: the first.
    seen: F,
    /// `[rows, value_width]`
    gathered: &'a mut [T],
    largest: &'a mut [T],
    sums: &'a mut [T],
}

impl<T: Exponential, F: Fn(usize) -> usize> Kernel for Reweigh<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let width = self.gathered.len() / self.sums.len();
        for (row, sum) in self.sums.iter_mut().enumerate() {
            let seen = (self.seen)(row);
            let scores = &self.scores[row * self.n..][..seen];
            let (weights, hidden) = self.weights[row * self.n..][..self.n].split_at_mut(seen);
            let before = self.largest[row];
            let largest = Max::merge(before, fold_inline::<T, Max>(scores, scores));
            // Where nothing has been seen the differences to -∞ would be NaN; to zero they are -∞, and the weights 0.
            let shift = if largest == T::NEGATIVE_INFINITY { T::ZERO } else { largest };
            T::exp_shifted(s, scores, shift, weights);
            hidden.fill(T::ZERO);
            let total = fold_inline::<T, Sum>(weights, weights);
            if largest != before && *sum != T::ZERO {
                let mut factor = [T::ZERO];
                T::exp_shifted(s, &[before], shift, &mut factor);
                *sum = *sum * factor[0];
                self.gathered[row * width..][..width].iter_mut().for_each(|x| *x = *x * factor[0]);
            }
            *sum += total;
            self.largest[row] = largest;
        }
    }
}
