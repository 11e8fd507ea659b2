//! `Gru`: gated recurrent units (Cho et al., EMNLP 2014, arXiv:1406.1078), with PyTorch's and cuDNN's placing of the biases.

use super::{Recurrence, Recurrent, RecurrentWeights, Walk};
use hadal_core::{Result, Tensor};

/// Gates `r`, `z`, `n` in this order: `n = tanh(W_in·x + b_in + σ(r)·(W_hn·h + b_hn))` and `h' = n + σ(z)·(h − n)`.
///
/// The options and methods are those of [`Recurrent`]; the state is one tensor.
pub type Gru = Recurrent<GatedRecurrence>;

/// One step of [`Gru`].
#[derive(Debug, Default)]
pub struct GatedRecurrence;

impl Recurrence for GatedRecurrence {
    const KINDS: [&'static str; 2] = ["Gru", "GruCell"];
    const GATES: usize = 3;
    type State = Tensor;

    fn tensors(state: &Tensor) -> Vec<Tensor> {
        vec![state.clone()]
    }

    fn state(mut tensors: Vec<Tensor>) -> Tensor {
        tensors.swap_remove(0)
    }

    fn start(zeros: Tensor) -> Tensor {
        zeros
    }

    fn step(&self, input: &Tensor, state: &Tensor, weights: &RecurrentWeights) -> Result<Tensor> {
        input.try_gru_cell(state, &weights.weight_hh.get(), weights.recurrent_bias().as_ref())
    }

    fn walk(
        &self,
        inputs: &Tensor,
        walk: &Walk,
        state: Tensor,
        weights: &RecurrentWeights,
    ) -> Result<(Tensor, Tensor)> {
        let gates = weights.project(inputs)?;
        gates.try_gru(&state, &weights.weight_hh.get(), weights.recurrent_bias().as_ref(), walk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::recorded::{compare_calls, recurrent};

    #[test]
    fn computes_what_pytorch_computes() {
        compare_calls("GRU", recurrent, |layer: &Gru, x| {
            let (output, state) = layer.unroll(&x[0], x.get(1));
            vec![output, state]
        });
    }
}
