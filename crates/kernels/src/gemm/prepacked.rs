//! `Prepacked`: a matrix B that many small products share, packed once for all of them.

use super::pack::{Lanes, Source};
use super::{Element, GemmElement, Mat};
use std::ops::Range;

use super::tile::{Kernels, Next, TURN, Tile, Walk};
use super::ways::{apart, fits_ways};
use crate::scratch;
use crate::simd::isa;
use crate::threads::{SharedMut, for_chunks, for_chunks_mut, parallel_for};

/// Multiply-adds worth a task: of one row, the time is that of reading them.
const TASK: usize = 3 << 17;
/// Steps that are made at once: so many of two hundred rows stay in the second-level cache beside a panel.
const DEEPEST: usize = 1024;
/// Rows that one task copies.
const COPIED: usize = 16;

/// Elements of a matrix `[k, n]` that [`pack_right`] packs.
pub fn packed_right_len<T: GemmElement>(n: usize, k: usize) -> usize {
    Prepacked::elements(T::kernels(isa()), n, k)
}

/// Packs the right side `b` `[k, n]` of products for [`gemm_packed`]: the layout is that of this machine.
///
/// # Panics
/// If a slice is too short for its matrix, or `to` does not have [`packed_right_len`].
#[track_caller]
pub fn pack_right<T: GemmElement>(n: usize, k: usize, b: Mat<T>, to: &mut [T]) {
    assert!(n * k == 0 || b.reach(k, n) <= b.data.len(), "B ({k} × {n}) has {} elements", b.data.len());
    Prepacked::new(T::kernels(isa()), Lanes { data: b.data, step: b.row_stride, lane: b.col_stride }, n, k, to);
}

/// `C[m, n] = A[m, k]·B + bias`, with the bits of [`super::gemm`], for a B from [`pack_right`]: fast for few rows.
///
/// # Panics
/// If a slice does not have the length of its matrix, or there is not one bias for each column.
#[track_caller]
pub fn gemm_packed<T: GemmElement>([m, n, k]: [usize; 3], a: &[T], packed: &[T], bias: Option<&[T]>, c: &mut [T]) {
    assert_eq!((a.len(), c.len()), (m * k, m * n), "lengths of A and C");
    let b = Prepacked::of(T::kernels(isa()), n, k, packed);
    let width = b.kernels.columns();
    let c = &SharedMut::new(c);
    let parts = k.div_ceil(DEEPEST).max(1);
    for part in 0..parts {
        let steps = part * k / parts..(part + 1) * k / parts;
        let multiply = |a: &[T], a_row: usize| {
            for_chunks(n.div_ceil(width), TASK.div_ceil((m * steps.len() * width).max(1)), |panels| {
                let columns = panels.start * width..n.min(panels.end * width);
                // SAFETY: the columns are this task's alone.
                unsafe { b.columns(columns, steps.clone(), m, a, a_row, bias, None, c, 0, n) };
            });
        };
        if fits_ways::<T>(k, b.kernels.rows().min(m)) {
            multiply(&a[steps.start..], k);
        } else {
            let a_row = apart::<T>(steps.len());
            scratch::with(m * a_row, |rows: &mut [T]| {
                for_chunks_mut(rows, COPIED * a_row, |task, to| {
                    for (i, to) in to.chunks_exact_mut(a_row).enumerate() {
                        to[..steps.len()].copy_from_slice(&a[(task * COPIED + i) * k..][steps.clone()]);
                    }
                });
                multiply(rows, a_row);
            });
        }
    }
}

/// B `[k, n]` in panels as wide as the tiles, each with all its steps one after the other.
///
/// The rows of a product with it are few: every panel is read once for each panel of rows.
pub(crate) struct Prepacked<'a, T: 'static> {
    kernels: &'static Kernels<T>,
    n: usize,
    k: usize,
    panels: &'a [T],
}

impl<'a, T: Element> Prepacked<'a, T> {
    /// The elements that B takes when it is packed.
    pub fn elements(kernels: &Kernels<T>, n: usize, k: usize) -> usize {
        n.next_multiple_of(kernels.lanes) * k
    }

    /// Packs `b` into `space`, which has [`Prepacked::elements`].
    pub fn new(kernels: &'static Kernels<T>, b: Lanes<T>, n: usize, k: usize, space: &'a mut [T]) -> Self {
        assert_eq!(space.len(), Self::elements(kernels, n, k), "room for the panels");
        let (width, shared) = (kernels.columns(), SharedMut::new(space));
        parallel_for(n.div_ceil(width), |panel| {
            let lanes = panel * width..n.min((panel + 1) * width);
            let padded = lanes.len().next_multiple_of(kernels.lanes);
            // SAFETY: panels do not overlap.
            let to = unsafe { shared.range(lanes.start * k..(lanes.start + padded) * k) };
            b.pack(0..k, lanes, padded, to);
        });
        Prepacked { kernels, n, k, panels: space }
    }

    /// Columns of B.
    pub fn width(&self) -> usize {
        self.n
    }

    /// The columns of panel `i`, and its steps: one after the other, so many elements apart.
    pub fn panel(&self, i: usize) -> (Range<usize>, &'a [T], usize) {
        let width = self.kernels.columns();
        let columns = i * width..self.n.min((i + 1) * width);
        let padded = columns.len().next_multiple_of(self.kernels.lanes);
        let steps = &self.panels[columns.start * self.k..(columns.start + padded) * self.k];
        (columns, steps, padded)
    }

    /// What [`Prepacked::new`] has packed.
    pub fn of(kernels: &'static Kernels<T>, n: usize, k: usize, panels: &'a [T]) -> Self {
        assert_eq!(panels.len(), Self::elements(kernels, n, k), "length of the packed matrix");
        Prepacked { kernels, n, k, panels }
    }

    /// `C[m, n] = A[m, k]·B (+ bias)` on this thread, the rows of A `a_row` and those of C `c_row` apart. The chains
    /// of multiply-adds start at zero, and the bias, one value per column, is added last.
    pub fn multiply(&self, m: usize, a: &[T], a_row: usize, bias: Option<&[T]>, c: &mut [T], c_row: usize) {
        // SAFETY: nobody else uses C.
        unsafe { self.columns(0..self.n, 0..self.k, m, a, a_row, bias, None, &SharedMut::new(c), 0, c_row) }
    }

    /// [`Prepacked::multiply`], bounded, for some columns, which begin with a panel, of a C that begins at `c_start`.
    /// Of the steps, which are in A from its beginning, the last come last: they add the bias.
    ///
    /// # Safety
    /// Nobody else uses these columns of C.
    #[allow(clippy::too_many_arguments)] // those of a product
    pub unsafe fn columns(
        &self,
        columns: Range<usize>,
        steps: Range<usize>,
        m: usize,
        a: &[T],
        a_row: usize,
        bias: Option<&[T]>,
        bounds: Option<(T, T)>,
        c: &SharedMut<T>,
        c_start: usize,
        c_row: usize,
    ) {
        if m == 0 || columns.is_empty() {
            return;
        }
        let k = steps.len();
        assert!((m - 1) * a_row + k <= a.len() && steps.end <= self.k, "A holds {m} rows");
        assert!(c_start + (m - 1) * c_row + self.n <= c.len(), "C holds {m} rows");
        assert!(bias.is_none_or(|bias| bias.len() == self.n), "one bias per column");
        let (width, one) = (self.kernels.columns(), self.kernels.lanes);
        let panels = m.div_ceil(self.kernels.rows());
        let second = |first: *const T| if first.is_null() { first } else { first.wrapping_add(one) };
        for j in columns.clone().step_by(width) {
            let columns = width.min(columns.end - j);
            let padded = columns.next_multiple_of(one);
            let b = &self.panels[j * self.k + steps.start * padded..j * self.k + steps.end * padded];
            // The second register of the last panel may lie past the end; then the tile has one register only.
            let b = [b.as_ptr(), b.as_ptr().wrapping_add(one)];
            let last = steps.end == self.k;
            let row_bias = bias.filter(|_| last).map_or(std::ptr::null(), |bias| bias[j..].as_ptr());
            // Each tile asks for a part of the next panel, which lies behind this one.
            let (behind, far_turn) = (b[0].wrapping_add(padded * self.k), TURN * padded / panels);
            for panel in 0..panels {
                let far = behind.wrapping_add(panel * k * padded / panels);
                let rows = m * panel / panels..m * (panel + 1) / panels;
                let c = c.pointer().wrapping_add(c_start + rows.start * c_row + j);
                let tile = Tile {
                    k,
                    a: a[rows.start * a_row..].as_ptr(),
                    a_row,
                    a_step: 1,
                    b,
                    b_step: padded,
                    table: std::ptr::null(),
                    c: [c, c.wrapping_add(one)],
                    c_row,
                    next: Next { far, far_turn, ..Next::NONE },
                    lanes: [columns.min(one), columns.saturating_sub(one)],
                    resume: steps.start > 0,
                    row_bias: [row_bias, second(row_bias)],
                    col_bias: std::ptr::null(),
                    bounds: bounds.filter(|_| last),
                };
                // SAFETY: the assertions above cover A, C and the bias, the slice of panels covers B.
                unsafe { self.kernels.compute(rows.len(), padded / one, Walk::Rows, &tile) };
            }
        }
    }
}
