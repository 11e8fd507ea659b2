//! Running results along an axis: cumulative sums, products and extremes.

use crate::op::{Input, Output};
use crate::tensor::Element;
use hadal_kernels::threads::for_chunks_mut;

use super::map::CHUNK;

/// `y[k] = step(state, x[k], k)` for `k` in order along `axis`, each line with a state of its own.
pub fn scan<T: Element, Y: Element, A: Copy + Sync>(
    x: &Input,
    axis: usize,
    y: &mut Output,
    start: A,
    step: impl Fn(&mut A, T, usize) -> Y + Sync,
) {
    let (n, inner) = (x.shape()[axis], x.shape()[axis + 1..].iter().product::<usize>());
    let values = x.contiguous::<T>();
    let block = n * inner;
    let per_task = (CHUNK / block.max(1)).max(1);
    for_chunks_mut(y.slice::<Y>(), per_task * block, |task, part| {
        let mut states = vec![start; inner];
        let values = &values[task * per_task * block..];
        for (y, x) in part.chunks_exact_mut(block).zip(values.chunks_exact(block)) {
            states.fill(start);
            for (k, (y, x)) in y.chunks_exact_mut(inner).zip(x.chunks_exact(inner)).enumerate() {
                for ((y, &x), state) in y.iter_mut().zip(x).zip(&mut states) {
                    *y = step(state, x, k);
                }
            }
        }
    });
}
