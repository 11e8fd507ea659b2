//! Backward through time: blocks of sequences from their last step to their first, then the weights over all steps.

use std::ops::Range;

use super::arithmetic::{Arithmetic, Pass, Real};
use super::rule::{Back, Gru, Lstm, Plain, Rule};
use super::{Cell, RecurrentElement, Sequences};
use crate::gemm::{Init, Lanes, Mat, Prepacked, apart, gemm};
use crate::reduce::sum_columns;
use crate::scratch;
use crate::simd::{Isa, isa, prefetch};
use crate::threads::{SharedMut, for_chunks};

/// What is known after [`forward`](super::forward), and the gradients of its results.
#[derive(Clone, Copy, Debug)]
pub struct Kept<'a, T> {
    /// `[rows, kept·hidden]`
    pub kept: &'a [T],
    /// The output of every step, `[rows, hidden]`.
    pub y: &'a [T],
    /// The output before the first step, `[batch, hidden]`.
    pub hidden: &'a [T],
    /// The memory before the first step, `[batch, hidden]`; empty where the cell has none.
    pub memory: &'a [T],
    /// W_hh, `[gates·hidden, hidden]`.
    pub weight: &'a [T],
    /// The gradient of `y`.
    pub dy: &'a [T],
    /// The gradient of the output after the last step, `[batch, hidden]`.
    pub d_hidden: &'a [T],
    /// The gradient of the memory after the last step; empty where the cell has none.
    pub d_memory: &'a [T],
}

/// Where the gradients go.
#[derive(Debug)]
pub struct Gradients<'a, T> {
    /// Of the inputs' part of the gates, `[rows, gates·hidden]`.
    pub x: &'a mut [T],
    /// Of the output before the first step, `[batch, hidden]`.
    pub hidden: &'a mut [T],
    /// Of the memory before the first step; empty where the cell has none.
    pub memory: &'a mut [T],
    /// Of W_hh, `[gates·hidden, hidden]`.
    pub weight: &'a mut [T],
    /// Of b_hh, `[gates·hidden]`.
    pub bias: Option<&'a mut [T]>,
}

/// Computes the gradients of all that [`forward`](super::forward) reads.
///
/// # Panics
/// If a slice has the wrong length.
#[track_caller]
pub fn backward<T: RecurrentElement>(cell: Cell, sequences: &Sequences, from: Kept<T>, to: Gradients<T>) {
    let (rows, units) = (sequences.rows() * sequences.hidden, sequences.batch * sequences.hidden);
    let memory = if cell.has_memory() { units } else { 0 };
    let weight = cell.gates() * sequences.hidden * sequences.hidden;
    sequences.check();
    assert_eq!(from.kept.len(), rows * cell.kept(), "what forward kept of {rows} units");
    assert_eq!((from.y.len(), from.dy.len()), (rows, rows), "the outputs of {rows} units");
    let states = [from.hidden.len(), from.d_hidden.len(), to.hidden.len()];
    assert_eq!(states, [units; 3], "the states of {units} units");
    let memories = [from.memory.len(), from.d_memory.len(), to.memory.len()];
    assert_eq!(memories, [memory; 3], "the memory of {memory} units");
    assert_eq!((from.weight.len(), to.weight.len()), (weight, weight), "a square weight per gate");
    assert_eq!(to.x.len(), rows * cell.gates(), "the gates of {rows} units");
    assert!(to.bias.as_ref().is_none_or(|bias| bias.len() == cell.gates() * sequences.hidden), "one bias per gate");
    T::unroll_back(isa(), cell, sequences, from, to);
}

pub(super) fn backward_on<T: RecurrentElement>(
    isa: Isa,
    cell: Cell,
    sequences: &Sequences,
    from: Kept<T>,
    to: Gradients<T>,
) {
    match cell {
        Cell::Lstm => run(isa, cell, Lstm, sequences, from, to),
        Cell::Gru => run(isa, cell, Gru, sequences, from, to),
        Cell::RnnTanh => run(isa, cell, Plain::<false>, sequences, from, to),
        Cell::RnnRelu => run(isa, cell, Plain::<true>, sequences, from, to),
    }
}

fn run<T: RecurrentElement, R: Rule>(isa: Isa, cell: Cell, rule: R, s: &Sequences, from: Kept<T>, to: Gradients<T>) {
    let (rows, hidden, gates) = (s.rows(), s.hidden, cell.gates() * s.hidden);
    // The gate whose two parts are not simply added has two gradients; that of the states' part is kept here.
    let inner = if cell == Cell::Gru { rows * hidden } else { 0 };
    scratch::with(rows * hidden + inner, |space| {
        let (previous, inner) = space.split_at_mut(rows * hidden);
        {
            let all = All {
                x: SharedMut::new(to.x),
                hidden: SharedMut::new(to.hidden),
                memory: SharedMut::new(to.memory),
                previous: SharedMut::new(previous),
                inner: SharedMut::new(inner),
            };
            through_time(isa, cell, rule, s, from, &all);
        }
        // One product over all steps: `∂W = Σ d_sums·hᵀ`.
        let previous = Mat::row_major(previous, hidden);
        let product = |d_sums: &[T], gates: usize, row: usize, weight: &mut [T]| {
            gemm(gates, hidden, rows, Mat::transposed(d_sums, row), previous, weight, Init::Zero);
        };
        let apart = inner.len() / rows.max(1);
        let (shared, own) = to.weight.split_at_mut((gates - apart) * hidden);
        product(to.x, gates - apart, gates, shared);
        product(inner, apart, hidden, own);
        if let Some(bias) = to.bias.filter(|bias| !bias.is_empty()) {
            sum_columns(to.x, [1, rows, gates], bias);
            if apart > 0 {
                sum_columns(inner, [1, rows, apart], &mut bias[gates - apart..]);
            }
        }
    });
}

/// Results that the tasks write their rows of.
struct All<'a, T> {
    x: SharedMut<'a, T>,
    hidden: SharedMut<'a, T>,
    memory: SharedMut<'a, T>,
    /// The output of the step before each step, `[rows, hidden]`.
    previous: SharedMut<'a, T>,
    /// `[rows, hidden]`, or empty.
    inner: SharedMut<'a, T>,
}

fn through_time<T: Real, R: Rule>(isa: Isa, cell: Cell, rule: R, s: &Sequences, from: Kept<T>, all: &All<T>) {
    let (hidden, gates, kernels) = (s.hidden, cell.gates() * s.hidden, T::kernels(isa));
    // d_sums·W_hh: step k of column j is weight[k, j].
    let weight = Lanes { data: from.weight, step: hidden, lane: 1 };
    scratch::with(Prepacked::elements(kernels, hidden, gates), |space| {
        let weight = Prepacked::new(kernels, weight, hidden, gates, space);
        for_chunks(s.batch, s.block(), |rows| {
            let (count, states) = (rows.len(), rows.start * hidden..rows.end * hidden);
            let of_memory = if cell.has_memory() { states.clone() } else { 0..0 };
            // SAFETY: no two tasks have a sequence in common; no memory at all is an empty range.
            let (around, d_memory) = unsafe { (all.hidden.range(states.clone()), all.memory.range(of_memory.clone())) };
            // Both are what reaches the last step from outside, and become what reaches the first.
            around.copy_from_slice(&from.d_hidden[states]);
            d_memory.copy_from_slice(&from.d_memory[of_memory]);
            let sums_row = apart::<T>(gates);
            scratch::with(count * (hidden + sums_row), |space| {
                let (through, d_sums) = space.split_at_mut(count * hidden);
                through.fill(T::ZERO);
                let width = cell.kept() * hidden;
                for number in (0..s.steps).rev() {
                    let t = s.step(number);
                    let step = Step {
                        rule,
                        s,
                        gates,
                        rows: rows.clone(),
                        t,
                        from,
                        width,
                        through,
                        around,
                        d_memory,
                        d_sums,
                        all,
                    };
                    T::run(isa, step);
                    // What the next step reads arrives while the product is computed.
                    for b in rows.clone().filter(|_| number > 0) {
                        let row = s.row(b, s.step(number - 1));
                        prefetch(&from.kept[row * width..(row + 1) * width]);
                        prefetch(&from.dy[row * hidden..(row + 1) * hidden]);
                    }
                    weight.multiply(count, d_sums, sums_row, None, through, hidden);
                }
                around.iter_mut().zip(through).for_each(|(around, &mut through)| *around += through);
            });
        });
    });
}

/// One step of a block of sequences, before the product.
struct Step<'a, T, R> {
    rule: R,
    s: &'a Sequences<'a>,
    /// Sums of a sequence.
    gates: usize,
    rows: Range<usize>,
    t: usize,
    from: Kept<'a, T>,
    /// Elements of a row of `kept`.
    width: usize,
    through: &'a [T],
    around: &'a mut [T],
    d_memory: &'a mut [T],
    /// The gradients of the sums of each sequence, [`apart`].
    d_sums: &'a mut [T],
    all: &'a All<'a, T>,
}

impl<T: Real, R: Rule> Pass<T> for Step<'_, T, R> {
    #[inline(always)]
    fn run<A: Arithmetic<T>>(self, a: A) {
        let (s, from, all) = (self.s, self.from, self.all);
        let h = s.hidden;
        let (count, has_memory, has_inner) = (self.rows.len(), !self.d_memory.is_empty(), all.inner.len() > 0);
        if h == 0 {
            return;
        }
        let (gates, sums_row) = (self.gates, self.d_sums.len() / count);
        for (i, b) in self.rows.enumerate() {
            let row = s.row(b, self.t);
            let (own, state) = (row * h..(row + 1) * h, i * h..(i + 1) * h);
            // SAFETY: a row belongs to one sequence, and a sequence to one task.
            let (dx, previous, inner) = unsafe {
                let inner = if has_inner { own.clone() } else { 0..0 };
                (all.x.range(row * gates..(row + 1) * gates), all.previous.range(own.clone()), all.inner.range(inner))
            };
            let d_sums = &mut self.d_sums[i * sums_row..][..gates];
            let (through, around) = (&self.through[state.clone()], &mut self.around[state.clone()]);
            if !s.has(b, self.t) {
                // What came from the step after goes on to the step before.
                around.iter_mut().zip(through).for_each(|(around, &through)| *around += through);
                [dx, d_sums, previous, inner].into_iter().for_each(|x| x.fill(T::ZERO));
                continue;
            }
            let before = s.before(b, self.t).map(|t| s.row(b, t));
            let first = b * h..(b + 1) * h;
            let hidden = before.map_or(&from.hidden[first.clone()], |row| &from.y[row * h..(row + 1) * h]);
            let memory = match before {
                _ if !has_memory => &[][..],
                None => &from.memory[first],
                Some(row) => &from.kept[(row + 1) * self.width - h..(row + 1) * self.width],
            };
            previous.copy_from_slice(hidden);
            self.rule.all_back(
                a,
                Back {
                    kept: &from.kept[row * self.width..(row + 1) * self.width],
                    y: &from.y[own.clone()],
                    hidden,
                    memory,
                    dy: &from.dy[own],
                    through,
                    around,
                    d_memory: &mut self.d_memory[if has_memory { state } else { 0..0 }],
                    dx,
                    d_sums,
                },
            );
            let from_last_gate = d_sums.len() - inner.len();
            inner.copy_from_slice(&d_sums[from_last_gate..]);
        }
    }
}
