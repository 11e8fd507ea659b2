//! `Prepacked`: a matrix B that many small products share, packed once for all of them.

use super::Element;
use super::pack::{Lanes, Source};
use super::tile::{Kernels, Next, Tile, Walk};
use crate::threads::{SharedMut, parallel_for};

/// B `[k, n]` in panels as wide as the tiles, each with all its steps one after the other.
///
/// A product with it has few rows, so k is not cut: every panel is read once for each panel of rows, which are one or
/// two.
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

    /// `C[m, n] = A[m, k]·B (+ bias)` on this thread, the rows of A `a_row` and those of C `c_row` apart. The chains
    /// of multiply-adds start at zero, and the bias, one value per column, is added last.
    pub fn multiply(&self, m: usize, a: &[T], a_row: usize, bias: Option<&[T]>, c: &mut [T], c_row: usize) {
        if m * self.n == 0 {
            return;
        }
        assert!((m - 1) * a_row + self.k <= a.len(), "A holds {m} rows");
        assert!((m - 1) * c_row + self.n <= c.len(), "C holds {m} rows");
        assert!(bias.is_none_or(|bias| bias.len() == self.n), "one bias per column");
        let (width, one) = (self.kernels.columns(), self.kernels.lanes);
        let panels = m.div_ceil(self.kernels.rows());
        let second = |first: *const T| if first.is_null() { first } else { first.wrapping_add(one) };
        for j in (0..self.n).step_by(width) {
            let columns = width.min(self.n - j);
            let padded = columns.next_multiple_of(one);
            let b = &self.panels[j * self.k..(j + padded) * self.k];
            // The second register of the last panel may lie past the end; then the tile has one register only.
            let b = [b.as_ptr(), b.as_ptr().wrapping_add(one)];
            let row_bias = bias.map_or(std::ptr::null(), |bias| bias[j..].as_ptr());
            for panel in 0..panels {
                let rows = m * panel / panels..m * (panel + 1) / panels;
                let c = c[rows.start * c_row + j..].as_mut_ptr();
                let tile = Tile {
                    k: self.k,
                    a: a[rows.start * a_row..].as_ptr(),
                    a_row,
                    a_step: 1,
                    b,
                    b_step: padded,
                    table: std::ptr::null(),
                    c: [c, c.wrapping_add(one)],
                    c_row,
                    next: Next::NONE,
                    lanes: [columns.min(one), columns.saturating_sub(one)],
                    resume: false,
                    row_bias: [row_bias, second(row_bias)],
                    col_bias: std::ptr::null(),
                };
                // SAFETY: the assertions above cover A, C and the bias, the slice of panels covers B.
                unsafe { self.kernels.compute(rows.len(), padded / one, Walk::Rows, &tile) };
            }
        }
    }
}
