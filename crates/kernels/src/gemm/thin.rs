//! Products of a few rows. Nothing of B is needed twice, so what counts is its way from memory: B is read once, along
//! its own rows, and neither copied nor cut into panels.

use std::ops::Range;

use super::blocks::Product;
use super::pack::Lanes;
use super::tile::{Next, Tile, Walk};
use super::transpose::transpose;
use super::vector::Vector;
use super::{Element, Init};
use crate::threads::{parallel_for, threads};

/// Rows of A up to which a product is computed here: more of them keep the hardware from following eight rows of B.
pub(super) const FEW: usize = 2;
/// Multiply-adds worth a task: some five microseconds of reading.
const TASK: usize = 1 << 17;
/// Columns of a task come in groups of so many: whole pages' worth would be too few tasks.
const GROUP: usize = 64;
/// Rows of B that are read at once: as many streams as the hardware follows well.
const STREAMS: usize = 8;
/// Steps whose columns are turned around at once.
const TURNED: usize = 128;

/// Whether B can be read along its rows or its columns, and A by the tiles of the latter.
pub(super) fn suits<T: Element>(product: &Product<T, Lanes<T>, Lanes<T>>) -> bool {
    let Product { m, a, b, .. } = *product;
    m <= FEW && (b.lane == 1 || (b.step == 1 && (m == 1 || a.step == 1 || a.lane == 1)))
}

/// Computes the product, in parallel if that is worth it: a task has some columns.
pub(super) fn multiply<T: Element>(product: &Product<T, Lanes<T>, Lanes<T>>) {
    let Product { m, n, k, .. } = *product;
    let groups = n.div_ceil(GROUP);
    let tasks = (m * n * k / TASK).clamp(1, threads()).min(groups);
    parallel_for(tasks, |task| {
        let columns = groups * task / tasks * GROUP..n.min(groups * (task + 1) / tasks * GROUP);
        match product.b.lane {
            1 => along(product, columns),
            _ => across(product, columns),
        }
    });
}

/// The rows of B lie along its columns: to every output of a row the next steps are added.
fn along<T: Element>(product: &Product<T, Lanes<T>, Lanes<T>>, columns: Range<usize>) {
    let Product { kernels, m, k, a, b, c, c_start, c_row, init, .. } = *product;
    let rows = |i: usize| c_start + i * c_row + columns.start..c_start + i * c_row + columns.end;
    // SAFETY: a task owns its columns of C.
    let row = |i: usize| unsafe { c.range(rows(i)) };
    if !matches!(init, Init::Accumulate) {
        (0..m).for_each(|i| row(i).fill(T::default()));
    }
    assert!((m - 1) * a.lane + (k - 1) * a.step < a.data.len() && (k - 1) * b.step + columns.end <= b.data.len());
    let stream = Stream {
        k,
        a: a.data.as_ptr(),
        a_row: a.lane,
        a_step: a.step,
        b: b.data[columns.start..].as_ptr(),
        b_step: b.step,
        c: c.pointer().wrapping_add(rows(0).start),
        c_row,
        columns: columns.len(),
    };
    assert!(c_start + (m - 1) * c_row + columns.end <= c.len());
    // SAFETY: the assertions cover A, B and C, of which a task owns its columns.
    unsafe { kernels.stream(m, &stream) };
    match init {
        Init::RowBias(bias) => (0..m).for_each(|i| {
            row(i).iter_mut().zip(&bias[columns.clone()]).for_each(|(c, &bias)| *c += bias);
        }),
        Init::ColBias(bias) => (0..m).for_each(|i| row(i).iter_mut().for_each(|c| *c += bias[i])),
        Init::Zero | Init::Accumulate => {}
    }
}

/// The columns of B lie along k: some steps of a tile's columns are turned around in the first-level cache.
fn across<T: Element>(product: &Product<T, Lanes<T>, Lanes<T>>, columns: Range<usize>) {
    let Product { kernels, m, k, a, b, c, c_start, c_row, init, .. } = *product;
    let (one, width) = (kernels.lanes, kernels.columns());
    let mut turned = [T::default(); TURNED * super::LANES * 2];
    assert!(width <= 2 * super::LANES);
    assert!((m - 1) * a.lane + (k - 1) * a.step < a.data.len());
    let second = |first: *const T| if first.is_null() { first } else { first.wrapping_add(one) };
    for first in columns.clone().step_by(width) {
        let columns = first..columns.end.min(first + width);
        let registers = columns.len().div_ceil(one);
        assert!(c_start + (m - 1) * c_row + columns.end <= c.len());
        // A task owns its columns of C.
        let to = c.pointer().wrapping_add(c_start + first);
        for start in (0..k).step_by(TURNED) {
            let steps = TURNED.min(k - start);
            let from = |j: usize| (first + j) * b.lane + start;
            transpose(b.data, from, columns.len(), steps, &mut turned, registers * one);
            let (row_bias, col_bias) = match init {
                Init::RowBias(bias) if start + steps == k => (bias[columns.clone()].as_ptr(), std::ptr::null()),
                Init::ColBias(bias) if start + steps == k => (std::ptr::null(), bias.as_ptr()),
                _ => (std::ptr::null(), std::ptr::null()),
            };
            let tile = Tile {
                k: steps,
                a: a.data[start * a.step..].as_ptr(),
                a_row: a.lane,
                a_step: a.step,
                b: [turned.as_ptr(), second(turned.as_ptr())],
                b_step: registers * one,
                table: std::ptr::null(),
                c: [to, to.wrapping_add(one)],
                c_row,
                next: Next::NONE,
                lanes: [columns.len().min(one), columns.len().saturating_sub(one)],
                resume: start > 0 || matches!(init, Init::Accumulate),
                row_bias: [row_bias, second(row_bias)],
                col_bias,
                bounds: None,
            };
            let walk = if a.step == 1 { Walk::Rows } else { Walk::Packed };
            // SAFETY: the assertions cover A and C; the turned columns are as many as the tile's.
            unsafe { kernels.compute(m, registers, walk, &tile) };
        }
    }
}

/// What is added to some rows: `C[i, j] += Σ A[i, s]·B[s, j]`, one chain in the order of s.
pub(super) struct Stream<T> {
    pub k: usize,
    /// Row `i`, step `s` of A is at `a + i·a_row + s·a_step`.
    pub a: *const T,
    pub a_row: usize,
    pub a_step: usize,
    /// Step `s` of B is at `b + s·b_step`, its columns side by side.
    pub b: *const T,
    pub b_step: usize,
    /// Row `i` of C is at `c + i·c_row`.
    pub c: *mut T,
    pub c_row: usize,
    pub columns: usize,
}

/// # Safety
/// The instruction set is available, and every pointer is valid for the rows, steps and columns.
#[inline(always)]
pub(super) unsafe fn stream<V: Vector, const ROWS: usize>(t: &Stream<V::Element>) {
    let whole = t.k - t.k % STREAMS;
    // SAFETY: the caller's promise; the steps are those of the product.
    unsafe {
        for step in (0..whole).step_by(STREAMS) {
            steps::<V, ROWS, STREAMS>(t, step);
        }
        for step in whole..t.k {
            steps::<V, ROWS, 1>(t, step);
        }
    }
}

/// Adds `STEPS` steps to every output.
///
/// # Safety
/// As [`stream`], and the steps exist.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // plain loops over constants are unrolled
unsafe fn steps<V: Vector, const ROWS: usize, const STEPS: usize>(t: &Stream<V::Element>, first: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut a = [[V::splat(V::Element::default()); STEPS]; ROWS];
        for i in 0..ROWS {
            for s in 0..STEPS {
                a[i][s] = V::splat(*t.a.add(i * t.a_row + (first + s) * t.a_step));
            }
        }
        let b = t.b.add(first * t.b_step);
        let rest = t.columns % V::LANES;
        for at in (0..t.columns - rest).step_by(V::LANES) {
            add::<V, ROWS, STEPS, false>(t, &a, b.add(at), at, V::LANES);
        }
        if rest > 0 {
            let at = t.columns - rest;
            add::<V, ROWS, STEPS, true>(t, &a, b.add(at), at, rest);
        }
    }
}

/// Adds some steps to a register's columns from `at` on, or a part of them. (No closure: such a function would not be
/// compiled for the instruction set.)
///
/// # Safety
/// As [`stream`].
#[inline(always)]
#[allow(clippy::needless_range_loop)] // plain loops over constants are unrolled
unsafe fn add<V: Vector, const ROWS: usize, const STEPS: usize, const PART: bool>(
    t: &Stream<V::Element>,
    a: &[[V; STEPS]; ROWS],
    b: *const V::Element,
    at: usize,
    lanes: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [V::splat(V::Element::default()); ROWS];
        for i in 0..ROWS {
            let c = t.c.add(i * t.c_row + at);
            sums[i] = if PART { V::load_part(c, lanes) } else { V::load(c) };
        }
        for s in 0..STEPS {
            let b = b.add(s * t.b_step);
            let b = if PART { V::load_part(b, lanes) } else { V::load(b) };
            for i in 0..ROWS {
                sums[i] = a[i][s].mul_add(b, sums[i]);
            }
        }
        for i in 0..ROWS {
            let c = t.c.add(i * t.c_row + at);
            if PART { sums[i].store_part(c, lanes) } else { sums[i].store(c) }
        }
    }
}
