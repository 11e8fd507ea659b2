//! `Gru`: gated recurrent units (Cho et al., EMNLP 2014, arXiv:1406.1078), with PyTorch's and cuDNN's placing of the biases.

use super::{Recurrence, Recurrent, RecurrentWeights};
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
        let hidden = state.size(-1);
        let parts = |t: &Tensor| t.try_split_sizes(&[2 * hidden, hidden], -1);
        let (input, recurrent) = (parts(input)?, parts(&weights.recur(state)?)?);
        let gates = input[0].try_add(&recurrent[0])?.try_sigmoid()?.try_chunk(2, -1)?;
        let new = input[1].try_add(gates[0].try_mul(&recurrent[1])?)?.try_tanh()?;
        new.try_add(gates[1].try_mul(state.try_sub(&new)?)?)
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
