//! `Rnn`: the plain recurrent network (Elman, Cognitive Science 1990).

use super::{Recurrence, Recurrent, RecurrentCell, RecurrentWeights, Walk};
use hadal_core::{Result, Tensor};

/// `h' = tanh(W_ih·x + b_ih + W_hh·h + b_hh)`, or with ReLU.
///
/// The options and methods are those of [`Recurrent`]; the state is one tensor.
pub type Rnn = Recurrent<Elman>;

/// One step of [`Rnn`].
#[derive(Debug, Default)]
pub struct Elman {
    relu: bool,
}

impl Recurrence for Elman {
    const KINDS: [&'static str; 2] = ["Rnn", "RnnCell"];
    const GATES: usize = 1;
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
        let step = if self.relu { Tensor::try_rnn_relu_cell } else { Tensor::try_rnn_tanh_cell };
        step(input, state, &weights.weight_hh.get(), weights.recurrent_bias().as_ref())
    }

    fn walk(
        &self,
        inputs: &Tensor,
        walk: &Walk,
        state: Tensor,
        weights: &RecurrentWeights,
    ) -> Result<(Tensor, Tensor)> {
        let unroll = if self.relu { Tensor::try_rnn_relu } else { Tensor::try_rnn_tanh };
        let gates = inputs.try_linear(&weights.weight_ih.get(), None)?;
        unroll(&gates, &state, &weights.weight_hh.get(), weights.bias()?.as_ref(), walk)
    }
}

impl Recurrent<Elman> {
    /// ReLU instead of tanh.
    pub fn relu(mut self) -> Rnn {
        self.recurrence.relu = true;
        self
    }
}

impl RecurrentCell<Elman> {
    /// ReLU instead of tanh.
    pub fn relu(mut self) -> RecurrentCell<Elman> {
        self.recurrence.relu = true;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::recorded::{compare_calls, recurrent};
    use hadal_core::testing::Attributes;

    #[test]
    fn computes_what_pytorch_computes() {
        let make = |a: &Attributes| match a.text("nonlinearity") {
            "relu" => recurrent(a).relu(),
            _ => recurrent(a),
        };
        compare_calls("RNN", make, |layer: &Rnn, x| {
            let (output, state) = layer.unroll(&x[0], x.get(1));
            vec![output, state]
        });
    }
}
