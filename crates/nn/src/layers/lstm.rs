//! `Lstm`: long short-term memory (Hochreiter and Schmidhuber, Neural Computation 1997; forget gate by Gers et al. 2000).

use super::{Recurrence, Recurrent, RecurrentWeights, Walk};
use hadal_core::{Result, Tensor};

/// Gates `i`, `f`, `g`, `o` in this order: `c' = σ(f)·c + σ(i)·tanh(g)` and `h' = σ(o)·tanh(c')`.
///
/// The options and methods are those of [`Recurrent`]; the state is an [`LstmState`].
pub type Lstm = Recurrent<LongShortTerm>;

/// What an LSTM carries from step to step.
#[derive(Clone, Debug)]
pub struct LstmState {
    /// The output: `[layers, batch, hidden]`, of a cell `[batch, hidden]`.
    pub hidden: Tensor,
    /// The memory, of the same shape.
    pub cell: Tensor,
}

/// One step of [`Lstm`].
#[derive(Debug, Default)]
pub struct LongShortTerm;

impl Recurrence for LongShortTerm {
    const KINDS: [&'static str; 2] = ["Lstm", "LstmCell"];
    const GATES: usize = 4;
    const FORGET: Option<usize> = Some(1);
    type State = LstmState;

    fn tensors(state: &LstmState) -> Vec<Tensor> {
        vec![state.hidden.clone(), state.cell.clone()]
    }

    fn state(mut tensors: Vec<Tensor>) -> LstmState {
        LstmState { cell: tensors.swap_remove(1), hidden: tensors.swap_remove(0) }
    }

    fn start(zeros: Tensor) -> LstmState {
        LstmState { hidden: zeros.clone(), cell: zeros }
    }

    fn step(&self, input: &Tensor, state: &LstmState, weights: &RecurrentWeights) -> Result<LstmState> {
        let (weight, bias) = (weights.weight_hh.get(), weights.recurrent_bias());
        let (hidden, cell) = input.try_lstm_cell(&state.hidden, &state.cell, &weight, bias.as_ref())?;
        Ok(LstmState { hidden, cell })
    }

    fn walk(
        &self,
        inputs: &Tensor,
        walk: &Walk,
        state: LstmState,
        weights: &RecurrentWeights,
    ) -> Result<(Tensor, LstmState)> {
        let (gates, weight) = (inputs.try_linear(&weights.weight_ih.get(), None)?, weights.weight_hh.get());
        let bias = weights.bias()?;
        let (outputs, hidden, cell) = gates.try_lstm(&state.hidden, &state.cell, &weight, bias.as_ref(), walk)?;
        Ok((outputs, LstmState { hidden, cell }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::recorded::{compare_calls, recurrent};

    #[test]
    fn computes_what_pytorch_computes() {
        compare_calls("LSTM", recurrent, |layer: &Lstm, x| {
            let state = x.get(1).map(|hidden| LstmState { hidden: hidden.clone(), cell: x[2].clone() });
            let (output, LstmState { hidden, cell }) = layer.unroll(&x[0], state.as_ref());
            vec![output, hidden, cell]
        });
        compare_calls("LSTM_packed", recurrent, |layer: &Lstm, x| {
            let (output, LstmState { hidden, cell }) = layer.unroll_padded(&x[0], &[2, 4, 1], None);
            vec![output, hidden, cell]
        });
    }
}
