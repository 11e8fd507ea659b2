//! Whole rows moved or summed by an index: `[outer, rows, inner]`, the index choosing among `rows`.

use crate::tensor::Element;
use hadal_kernels::threads::for_chunks_mut;

use super::map::CHUNK;

/// `y[o, r, :] = x[o, index[r], :]`, where `x` has `rows` rows.
pub fn select<T: Element>(x: &[T], rows: usize, inner: usize, index: &[i64], y: &mut [T]) {
    let per_task = (CHUNK / inner.max(1)).max(1);
    for_chunks_mut(y, per_task * inner, |task, part| {
        for (r, row) in part.chunks_exact_mut(inner).enumerate() {
            let r = task * per_task + r;
            let from = (r / index.len() * rows + index[r % index.len()] as usize) * inner;
            match row {
                [one] => *one = x[from],
                _ => row.copy_from_slice(&x[from..from + inner]),
            }
        }
    });
}

/// `join(y[o, index[r], :], source[o, r, :])` for `r` in order, where `y` has `rows` rows.
///
/// Every row of `y` has one owner, which visits its sources in their order: the result does not depend
/// on the number of threads.
pub fn scatter<T: Element>(
    y: &mut [T],
    rows: usize,
    inner: usize,
    index: &[i64],
    source: &[T],
    join: impl Fn(&mut T, T) + Sync,
) {
    if y.is_empty() || index.is_empty() {
        return;
    }
    let (starts, order) = by_row(index, rows);
    let per_task = (CHUNK / (inner * (1 + index.len() / rows))).max(1);
    for_chunks_mut(y, per_task * inner, |task, part| {
        for (r, row) in part.chunks_exact_mut(inner).enumerate() {
            let (outer, r) = ((task * per_task + r) / rows, (task * per_task + r) % rows);
            for &from in &order[starts[r]..starts[r + 1]] {
                let from = (outer * index.len() + from) * inner;
                row.iter_mut().zip(&source[from..from + inner]).for_each(|(y, &x)| join(y, x));
            }
        }
    });
}

/// The positions of the index sorted by the row they name, stably, by counting; and where each row's begin.
fn by_row(index: &[i64], rows: usize) -> (Vec<usize>, Vec<usize>) {
    let mut starts = vec![0; rows + 1];
    index.iter().for_each(|&i| starts[i as usize + 1] += 1);
    (0..rows).for_each(|r| starts[r + 1] += starts[r]);
    let mut next = starts.clone();
    let mut order = vec![0; index.len()];
    for (at, &i) in index.iter().enumerate() {
        order[next[i as usize]] = at;
        next[i as usize] += 1;
    }
    (starts, order)
}
