//! Reductions: the reduced axes are brought to the end, so that a kernel sees contiguous rows.

use crate::op::{Contiguous, Input, Output};
use crate::tensor::{Element, Layout};
use hadal_kernels::threads::for_chunks_mut;

/// The input as `[rows, columns]`, the given (sorted) axes making up a row; and the number of columns.
pub fn rows<'a, T: Element>(x: &Input<'a>, axes: &[usize]) -> (Contiguous<'a, T>, usize) {
    let columns = axes.iter().map(|&a| x.shape()[a]).product();
    (x.arranged(&last(x.layout(), axes)), columns)
}

/// The layout with the given axes moved to the end.
fn last(layout: &Layout, axes: &[usize]) -> Layout {
    let kept = (0..layout.shape.rank()).filter(|a| !axes.contains(a));
    let order: Vec<usize> = kept.chain(axes.iter().copied()).collect();
    layout.permute(&order)
}

/// One output value per row: `y[row] = f(row)`. Also right for rows without elements.
pub fn fold<T: Element, Y: Element>(x: &Input, axes: &[usize], y: &mut Output, f: impl Fn(&[T]) -> Y + Sync) {
    fold_rows(x, axes, y, &f);
}

fn fold_rows<T: Element, Y: Element>(x: &Input, axes: &[usize], y: &mut Output, f: &(dyn Fn(&[T]) -> Y + Sync)) {
    let (values, columns) = rows::<T>(x, axes);
    let per_task = (super::map::CHUNK / columns.max(1)).max(1);
    for_chunks_mut(y.slice::<Y>(), per_task, |task, part| {
        for (i, out) in part.iter_mut().enumerate() {
            let row = (task * per_task + i) * columns;
            *out = f(&values[row..row + columns]);
        }
    });
}
