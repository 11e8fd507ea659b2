//! Recurrent networks over whole sequences: LSTM, GRU and the plain network, forward and backward through time.
//!
//! The rows of a batch do not depend on each other, so a task takes a block of them through all steps and no step waits
//! for another task. The recurrent weights are packed once. A step is one product of the block's states with them, and
//! one pass that turns the sums into gates and the next state while they are in the cache. Backward, each step gives
//! the gradient of its gates and one product gives that of the state before; the weights' gradient is a single product
//! over all steps and rows at the end.
//!
//! A row's numbers depend on nothing but the row: not on its neighbours, the number of threads or the block it is in.

mod arithmetic;
mod backward;
mod forward;
mod rule;

pub use backward::{Gradients, Kept, backward};
pub use forward::{Forward, Outputs, forward};

use crate::gemm::GemmElement;
use crate::reduce::ReduceElement;
use crate::threads::threads;
use arithmetic::Real;

/// An element type of recurrent networks: `f32` or `f64`.
#[allow(private_bounds)]
pub trait RecurrentElement: GemmElement + ReduceElement + Real {}
impl RecurrentElement for f32 {}
impl RecurrentElement for f64 {}

/// What a step computes. The blocks of rows in a weight, one per gate, are in PyTorch's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Gates i, f, g, o: `c' = σ(f)·c + σ(i)·tanh(g)`, `h' = σ(o)·tanh(c')`.
    Lstm,
    /// Gates r, z, n: `n' = tanh(n + σ(r)·(W_n·h + b_n))`, `h' = n' + σ(z)·(h − n')`.
    Gru,
    /// `h' = tanh(…)`
    RnnTanh,
    /// `h' = max(0, …)`
    RnnRelu,
}

impl Cell {
    /// Blocks of rows in a weight.
    pub fn gates(self) -> usize {
        match self {
            Cell::Lstm => 4,
            Cell::Gru => 3,
            Cell::RnnTanh | Cell::RnnRelu => 1,
        }
    }

    /// Values per unit and step that the gradient needs besides the output: the gates, and for the LSTM its memory, for
    /// the GRU `W_n·h + b_n`.
    pub fn kept(self) -> usize {
        match self {
            Cell::Lstm => 5,
            Cell::Gru => 4,
            Cell::RnnTanh | Cell::RnnRelu => 0,
        }
    }

    /// Whether a memory is carried besides the output.
    pub fn has_memory(self) -> bool {
        self == Cell::Lstm
    }
}

/// How sequences lie in memory, and in which direction they are read.
#[derive(Clone, Copy, Debug)]
pub struct Sequences<'a> {
    /// Sequences.
    pub batch: usize,
    /// Steps of the longest.
    pub steps: usize,
    /// Units.
    pub hidden: usize,
    /// Tensors are `[batch, steps, …]`, else `[steps, batch, …]`.
    pub batch_first: bool,
    /// From the last step to the first.
    pub backwards: bool,
    /// The steps that each sequence has, all if not given. Beyond them the state stays and the output is zero.
    pub lengths: Option<&'a [usize]>,
}

impl Sequences<'_> {
    /// Where step `t` of sequence `b` is, in rows.
    #[inline(always)]
    fn row(&self, b: usize, t: usize) -> usize {
        if self.batch_first { b * self.steps + t } else { t * self.batch + b }
    }

    #[inline(always)]
    fn rows(&self) -> usize {
        self.batch * self.steps
    }

    /// Whether sequence `b` has step `t`.
    #[inline(always)]
    fn has(&self, b: usize, t: usize) -> bool {
        self.lengths.is_none_or(|lengths| t < lengths[b])
    }

    /// The step that is computed as number `n`.
    fn step(&self, n: usize) -> usize {
        if self.backwards { self.steps - 1 - n } else { n }
    }

    /// The step before `t` of a sequence that has `t`; the first has none.
    #[inline(always)]
    fn before(&self, b: usize, t: usize) -> Option<usize> {
        if self.backwards { Some(t + 1).filter(|&t| t < self.steps && self.has(b, t)) } else { t.checked_sub(1) }
    }

    /// Sequences of one task. Eight rows keep the multipliers busy; more share the reading of weights that do not fit
    /// the second-level cache, at the price of fewer tasks. Where threads would have no work, four rows have to do.
    fn block(&self) -> usize {
        let least = if self.batch < 8 * threads() { 4 } else { 8 };
        self.batch.div_ceil(threads().max(4)).clamp(least, 24)
    }

    #[track_caller]
    fn check(&self) {
        if let Some(lengths) = self.lengths {
            assert_eq!(lengths.len(), self.batch, "one length per sequence");
        }
    }
}

#[cfg(test)]
mod tests;
