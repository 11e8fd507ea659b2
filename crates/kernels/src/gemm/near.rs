//! Products on one thread of matrices that the first-level cache holds, read as they lie.

use super::Element;
use super::pack::Lanes;
use super::tile::{Kernels, Next, Tile, Walk};

/// `C[m, n] = A[m, k]·B[k, n]`, added to what C holds if it is to `resume`: its chains go on from there. B and C are
/// row-major; `n` is a multiple of the [lanes](Kernels::lanes), A lies row by row or transposed. After every tile, some
/// hundred nanoseconds of work, comes `between`: time to ask memory for a few lines that are needed later.
///
/// # Panics
/// If a slice is too short for its matrix, or A or `n` is not as said.
pub(crate) fn multiply_near<T: Element>(
    kernels: &Kernels<T>,
    [m, n, k]: [usize; 3],
    a: Lanes<T>,
    b: &[T],
    c: &mut [T],
    resume: bool,
    mut between: impl FnMut(),
) {
    let c = &mut c[..m * n];
    if c.is_empty() || k == 0 {
        if !resume {
            c.fill(T::default());
        }
        return;
    }
    let walk = if a.lane == 1 { Walk::Packed } else { Walk::Rows };
    assert!((a.lane == 1 || a.step == 1) && n.is_multiple_of(kernels.lanes), "A lies in rows, {n} are whole registers");
    assert!((m - 1) * a.lane + (k - 1) * a.step < a.data.len() && k * n <= b.len(), "A and B are there");
    let panels = m.div_ceil(kernels.rows());
    for first in (0..n).step_by(kernels.columns()) {
        let registers = if n - first > kernels.lanes { 2 } else { 1 };
        for panel in 0..panels {
            let rows = panel * m / panels..(panel + 1) * m / panels;
            let (b, c) = (b[first..].as_ptr(), c[rows.start * n + first..].as_mut_ptr());
            let tile = Tile {
                k,
                a: a.data[rows.start * a.lane..].as_ptr(),
                a_row: a.lane,
                a_step: a.step,
                b: [b, b.wrapping_add(kernels.lanes)],
                b_step: n,
                table: std::ptr::null(),
                c: [c, c.wrapping_add(kernels.lanes)],
                c_row: n,
                next: Next::NONE,
                lanes: [kernels.lanes; 2],
                resume,
                row_bias: [std::ptr::null(); 2],
                col_bias: std::ptr::null(),
                bounds: None,
            };
            // SAFETY: the kernels are of this machine; rows, steps and whole registers are inside, as asserted.
            unsafe { kernels.compute(rows.len(), registers, walk, &tile) };
            between();
        }
    }
}
