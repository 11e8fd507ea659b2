//! Sums of products over very many steps, for weight gradients: short chains, which are added up.

use crate::gemm::{Element, Next, Step, Tile, Walk};
use crate::simd::isa;
use crate::threads::SharedMut;

/// Steps of a chain of multiply-adds at most, for the sake of its rounding errors.
const CHAIN: usize = 512;
/// The most elements of a tile, on any instruction set.
const TILE: usize = 14 * 32;

/// What is added to one tile of sums.
pub(super) struct Chains<'a, T> {
    /// Row `i` of a step is at `i` behind the `a_step`-fold of what the step says; its columns begin where it says …
    pub a: &'a [T],
    pub a_step: usize,
    /// … and are followed by what fills a register.
    pub b: &'a [T],
    pub steps: &'a [Step],
    pub rows: usize,
    pub columns: usize,
    /// Where the tile is in the sums, and how far its rows are apart.
    pub c: usize,
    pub c_row: usize,
    /// Nothing is there yet.
    pub fresh: bool,
}

impl<T: Element> Chains<'_, T> {
    /// Computes the chains and adds them to the sums, one after the other.
    ///
    /// # Safety
    /// The steps lead to elements that exist, and nobody else uses this tile of the sums.
    pub unsafe fn add(&self, to: &SharedMut<T>) {
        let Chains { rows, columns, c, .. } = *self;
        assert!(c + (rows - 1) * self.c_row + columns <= to.len());
        let kernels = T::kernels(isa());
        let (one, chains) = (kernels.lanes, self.steps.len().div_ceil(CHAIN).max(1));
        let mut space = [T::default(); TILE];
        for chain in 0..chains {
            let steps = &self.steps[self.steps.len() * chain / chains..self.steps.len() * (chain + 1) / chains];
            let fresh = self.fresh && chain == 0;
            let here = to.pointer().wrapping_add(c);
            let (begin, c_row) = if fresh { (here, self.c_row) } else { (space.as_mut_ptr(), kernels.columns()) };
            let tile = Tile {
                k: steps.len(),
                a: self.a.as_ptr(),
                a_row: 1,
                a_step: self.a_step,
                b: [self.b.as_ptr(), self.b.as_ptr().wrapping_add(one)],
                b_step: 0,
                table: steps.as_ptr(),
                c: [begin, begin.wrapping_add(one)],
                c_row,
                next: Next::NONE,
                lanes: [columns.min(one), columns.saturating_sub(one)],
                resume: false,
                row_bias: [std::ptr::null(); 2],
                col_bias: std::ptr::null(),
                bounds: None,
            };
            // SAFETY: the caller's promise; the assertion covers the sums, and no tile is larger than the space.
            unsafe { kernels.compute(rows, columns.div_ceil(one), Walk::Table, &tile) };
            if !fresh {
                for (row, sums) in space.chunks_exact(c_row).take(rows).enumerate() {
                    let start = c + row * self.c_row;
                    // SAFETY: the caller's promise.
                    let to = unsafe { to.range(start..start + columns) };
                    to.iter_mut().zip(sums).for_each(|(to, &sum)| *to += sum);
                }
            }
        }
    }
}
