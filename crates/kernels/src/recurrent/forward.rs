//! Forward: blocks of sequences through all their steps.

use std::ops::Range;

use super::arithmetic::{Arithmetic, Pass, Real};
use super::rule::{Ahead, Gru, Lstm, Plain, Rule};
use super::{Cell, RecurrentElement, Sequences};
use crate::gemm::{Lanes, Prepacked, apart};
use crate::scratch;
use crate::simd::{Isa, isa, prefetch};
use crate::threads::{SharedMut, for_chunks};

/// What the states are computed from.
#[derive(Clone, Copy, Debug)]
pub struct Forward<'a, T> {
    /// The inputs' part of the gates for every step, `[rows, gates·hidden]`: `x·W_ihᵀ + b_ih`.
    pub x: &'a [T],
    /// The output before the first step, `[batch, hidden]`.
    pub hidden: &'a [T],
    /// The memory before the first step, `[batch, hidden]`; empty where the cell has none.
    pub memory: &'a [T],
    /// W_hh, `[gates·hidden, hidden]`.
    pub weight: &'a [T],
    /// b_hh, `[gates·hidden]`.
    pub bias: Option<&'a [T]>,
}

/// Where the results go.
#[derive(Debug)]
pub struct Outputs<'a, T> {
    /// The output of every step, `[rows, hidden]`.
    pub y: &'a mut [T],
    /// The output after each sequence's last step, `[batch, hidden]`.
    pub hidden: &'a mut [T],
    /// The memory likewise; empty where the cell has none.
    pub memory: &'a mut [T],
    /// What [`backward`](super::backward) needs, `[rows, kept·hidden]`; empty if nobody wants it.
    pub kept: &'a mut [T],
}

/// Computes all steps of all sequences.
///
/// # Panics
/// If a slice has the wrong length.
#[track_caller]
pub fn forward<T: RecurrentElement>(cell: Cell, sequences: &Sequences, from: Forward<T>, to: Outputs<T>) {
    let (rows, units) = (sequences.rows() * sequences.hidden, sequences.batch * sequences.hidden);
    let memory = if cell.has_memory() { units } else { 0 };
    sequences.check();
    assert_eq!(from.x.len(), rows * cell.gates(), "the gates of {rows} units");
    assert_eq!((from.hidden.len(), to.hidden.len()), (units, units), "the states of {units} units");
    assert_eq!((from.memory.len(), to.memory.len()), (memory, memory), "the memory of {memory} units");
    assert_eq!(from.weight.len(), cell.gates() * sequences.hidden * sequences.hidden, "a square weight per gate");
    assert!(from.bias.is_none_or(|bias| bias.len() == cell.gates() * sequences.hidden), "one bias per gate and unit");
    assert_eq!(to.y.len(), rows, "the outputs of {rows} units");
    assert!(to.kept.is_empty() || to.kept.len() == rows * cell.kept(), "room for what the gradient needs");
    T::unroll(isa(), cell, sequences, from, to);
}

pub(super) fn forward_on<T: Real>(isa: Isa, cell: Cell, sequences: &Sequences, from: Forward<T>, to: Outputs<T>) {
    match cell {
        Cell::Lstm => run(isa, cell, Lstm, sequences, from, to),
        Cell::Gru => run(isa, cell, Gru, sequences, from, to),
        Cell::RnnTanh => run(isa, cell, Plain::<false>, sequences, from, to),
        Cell::RnnRelu => run(isa, cell, Plain::<true>, sequences, from, to),
    }
}

fn run<T: Real, R: Rule>(isa: Isa, cell: Cell, rule: R, s: &Sequences, from: Forward<T>, to: Outputs<T>) {
    let (hidden, gates, kernels) = (s.hidden, cell.gates() * s.hidden, T::kernels(isa));
    // h·W_hhᵀ: step k of column j is weight[j, k].
    let weight = Lanes { data: from.weight, step: 1, lane: hidden };
    let width = if to.kept.is_empty() { 0 } else { cell.kept() * hidden };
    let (y, kept) = (SharedMut::new(to.y), SharedMut::new(to.kept));
    let (last, last_memory) = (SharedMut::new(to.hidden), SharedMut::new(to.memory));
    scratch::with(Prepacked::elements(kernels, gates, hidden), |space| {
        let weight = Prepacked::new(kernels, weight, gates, hidden, space);
        for_chunks(s.batch, s.block(), |rows| {
            let (count, states) = (rows.len(), rows.start * hidden..rows.end * hidden);
            // SAFETY: no two tasks have a sequence in common; no memory at all is an empty range.
            let (last, memory) = unsafe {
                let memory = if cell.has_memory() { states.clone() } else { 0..0 };
                (last.range(states.clone()), last_memory.range(memory))
            };
            memory.copy_from_slice(if cell.has_memory() { &from.memory[states.clone()] } else { &[] });
            let (state_row, sums_row) = (apart::<T>(hidden), apart::<T>(gates));
            scratch::with(count * (state_row + sums_row), |space| {
                let (state, sums) = space.split_at_mut(count * state_row);
                for (state, from) in state.chunks_mut(state_row).zip(from.hidden[states].chunks(hidden.max(1))) {
                    state[..hidden].copy_from_slice(from);
                }
                for number in 0..s.steps {
                    weight.multiply(count, state, state_row, from.bias, sums, sums_row);
                    let (rows, t) = (rows.clone(), s.step(number));
                    let step =
                        Step { rule, s, gates, rows, t, x: from.x, sums, state, memory, y: &y, kept: &kept, width };
                    T::run(isa, step);
                }
                for (last, state) in last.chunks_mut(hidden.max(1)).zip(state.chunks(state_row)) {
                    last.copy_from_slice(&state[..hidden]);
                }
            });
        });
    });
}

/// One step of a block of sequences, after the product.
struct Step<'a, T, R> {
    rule: R,
    s: &'a Sequences<'a>,
    /// Sums of a sequence.
    gates: usize,
    rows: Range<usize>,
    t: usize,
    x: &'a [T],
    /// The sums of each sequence, [`apart`].
    sums: &'a [T],
    /// The output of each sequence, [`apart`].
    state: &'a mut [T],
    memory: &'a mut [T],
    y: &'a SharedMut<'a, T>,
    kept: &'a SharedMut<'a, T>,
    /// Elements of a row of `kept`.
    width: usize,
}

impl<T: Real, R: Rule> Pass<T> for Step<'_, T, R> {
    #[inline(always)]
    fn run<A: Arithmetic<T>>(self, a: A) {
        let h = self.s.hidden;
        let (count, has_memory) = (self.rows.len(), !self.memory.is_empty());
        if h == 0 {
            return;
        }
        let (gates, sums_row, state_row) = (self.gates, self.sums.len() / count, self.state.len() / count);
        let input = |b: usize| &self.x[self.s.row(b, self.t) * gates..][..gates];
        prefetch(input(self.rows.start));
        for (i, b) in self.rows.clone().enumerate() {
            // The product pushes all that it does not read itself out of the second-level cache.
            if b + 1 < self.rows.end {
                prefetch(input(b + 1));
                prefetch(&self.sums[(i + 1) * sums_row..][..gates]);
            }
            let row = self.s.row(b, self.t);
            let memory = if has_memory { i * h..(i + 1) * h } else { 0..0 };
            // SAFETY: a row belongs to one sequence, and a sequence to one task.
            let (y, kept) = unsafe {
                (self.y.range(row * h..(row + 1) * h), self.kept.range(row * self.width..(row + 1) * self.width))
            };
            if !self.s.has(b, self.t) {
                y.fill(T::ZERO);
                kept.fill(T::ZERO);
                continue;
            }
            self.rule.all_ahead(
                a,
                Ahead {
                    x: &self.x[row * gates..][..gates],
                    sums: &self.sums[i * sums_row..][..gates],
                    hidden: &mut self.state[i * state_row..][..h],
                    memory: &mut self.memory[memory],
                    kept,
                    y,
                },
            );
        }
    }
}
