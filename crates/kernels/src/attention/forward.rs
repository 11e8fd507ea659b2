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

/// One block of queries of a head.
fn attend<T: AttentionElement>(
    inputs: &Attention<T>,
    head: usize,
    queries: Range<usize>,
    out: &Target<T>,
    log_sum: &mut [T],
) {
    let (m, width, value_width) = (queries.len(), inputs.width, inputs.value_width);
    scratch::with(m * (width + 2 * BLOCK + value_width + 5), |space| {
        let (scaled, space) = space.split_at_mut(m * width);
        let (scores, space) = space.split_at_mut(m * BLOCK);
        let (weights, space) = space.split_at_mut(m * BLOCK);
        let (gathered, space) = space.split_at_mut(m * value_width);
        let (largest, space) = space.split_at_mut(m);
        let (sums, room) = space.split_at_mut(m);
        inputs.scaled_queries(head, &queries, scaled);
        gathered.fill(T::ZERO);
        largest.fill(T::NEGATIVE_INFINITY);
        sums.fill(T::ZERO);
        for keys in blocks(inputs.keys).filter(|keys| inputs.meet(&queries, keys)) {
            let n = keys.len();
            let (scores, weights) = (&mut scores[..n * m], &mut weights[..n * m]);
            inputs.scores(head, scaled, &queries, &keys, scores);
            let (gathered, largest, sums, room) = (&mut *gathered, &mut *largest, &mut *sums, &mut *room);
            dispatch(Reweigh { scores, weights, gathered, largest, sums, room });
            let rows = Mat::transposed(weights, m);
            gemm(m, value_width, n, rows, inputs.value.matrix(head, keys.start), gathered, Init::Accumulate);
        }
        dispatch(Finish { out, head, first: queries.start, gathered, largest, sums, log_sum });
    });
}

/// The results of a block of queries, which are this task's alone, and the logarithms of their sums.
struct Finish<'a, T> {
    out: &'a Target<'a, T>,
    head: usize,
    first: usize,
    gathered: &'a [T],
    largest: &'a [T],
    sums: &'a [T],
    log_sum: &'a mut [T],
}

impl<T: Exponential> Kernel for Finish<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let width = self.out.columns;
        for (i, log_sum) in self.log_sum.iter_mut().enumerate() {
            // SAFETY: who makes a `Finish` promises it.
            let to = unsafe { self.out.row(self.head, self.first + i) };
            if self.largest[i] == T::NEGATIVE_INFINITY && self.sums[i] == T::ZERO {
                to.fill(T::ZERO);
                *log_sum = T::INFINITY;
                continue;
            }
            let share = T::ONE / self.sums[i];
            to.iter_mut().zip(&self.gathered[i * width..][..width]).for_each(|(to, &x)| *to = x * share);
            *log_sum = self.largest[i] + self.sums[i].log();
        }
    }
}

/// The weights of a tile of scores relative to the largest score of each query so far; what came before is rescaled to
/// that.
pub(super) struct Reweigh<'a, T> {
    /// `[keys, queries]`
    pub scores: &'a [T],
    pub weights: &'a mut [T],
    /// `[queries, value_width]`
    pub gathered: &'a mut [T],
    /// `[queries]`
    pub largest: &'a mut [T],
    /// `[queries]`
    pub sums: &'a mut [T],
    /// Three numbers for each query.
    pub room: &'a mut [T],
}

impl<T: Exponential> Kernel for Reweigh<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Reweigh { scores, weights, gathered, largest, sums, room } = self;
        let (m, width) = (sums.len(), gathered.len() / sums.len());
        let (shift, room) = room.split_at_mut(m);
        let (factor, total) = room.split_at_mut(m);
        // A NaN is passed over here and comes back with its exponential.
        total.copy_from_slice(largest);
        for row in scores.chunks_exact(m) {
            largest.iter_mut().zip(row).for_each(|(largest, &x)| *largest = if x > *largest { x } else { *largest });
        }
        // Where nothing has been seen the differences to -∞ would be NaN; to zero they are -∞, and the weights 0.
        for (shift, &largest) in shift.iter_mut().zip(&*largest) {
            *shift = if largest == T::NEGATIVE_INFINITY { T::ZERO } else { largest };
        }
        T::exp_differences(s, total, shift, factor);
        total.fill(T::ZERO);
        for (row, weights) in scores.chunks_exact(m).zip(weights.chunks_exact_mut(m)) {
            T::exp_differences(s, row, shift, weights);
            total.iter_mut().zip(weights).for_each(|(total, &mut p)| *total += p);
        }
        for ((sum, &factor), &total) in sums.iter_mut().zip(&*factor).zip(&*total) {
            *sum = sum.fma(factor, total);
        }
        for (i, &factor) in factor.iter().enumerate() {
            if factor != T::ONE {
                gathered[i * width..][..width].iter_mut().for_each(|x| *x = *x * factor);
            }
        }
    }
}
