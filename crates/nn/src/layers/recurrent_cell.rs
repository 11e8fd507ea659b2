//! `RecurrentCell`: a single step of a recurrence, for loops written by hand.

use super::recurrence::{Recurrence, RecurrentWeights};
use super::{gru::GatedRecurrence, lstm::LongShortTerm, rnn::Elman};
use hadal_core::{Error, Module, Result, Tag, Tensor, Visitor, visit_field};

/// One step of [`Rnn`](super::Rnn).
pub type RnnCell = RecurrentCell<Elman>;
/// One step of [`Lstm`](super::Lstm).
pub type LstmCell = RecurrentCell<LongShortTerm>;
/// One step of [`Gru`](super::Gru).
pub type GruCell = RecurrentCell<GatedRecurrence>;

/// A step from inputs `[batch, inputs]` and a state to the next state, `[batch, hidden]`.
///
/// The keys are PyTorch's: `weight_ih`, `weight_hh`, `bias_ih`, `bias_hh`.
///
/// ```
/// use hadal_core::Tensor;
/// use hadal_nn::layers::GruCell;
/// let cell = GruCell::new(3, 4);
/// let first = cell.step(&Tensor::ones([2, 3]), None);
/// let second = cell.step(&Tensor::ones([2, 3]), Some(&first));
/// assert_eq!(*second.shape(), [2, 4]);
/// ```
#[derive(Debug)]
pub struct RecurrentCell<R: Recurrence> {
    pub(super) recurrence: R,
    /// The parameters.
    pub weights: RecurrentWeights,
    inputs: usize,
    hidden: usize,
    tag: Tag,
}

impl<R: Recurrence> RecurrentCell<R> {
    /// From `inputs` features to `hidden` units.
    #[track_caller]
    pub fn new(inputs: usize, hidden: usize) -> RecurrentCell<R> {
        let weights = RecurrentWeights::draw::<R>(inputs, hidden, true);
        RecurrentCell { recurrence: R::default(), weights, inputs, hidden, tag: Tag::new(R::KINDS[1]) }
    }

    /// Without biases.
    pub fn without_bias(mut self) -> RecurrentCell<R> {
        (self.weights.bias_ih, self.weights.bias_hh) = (None, None);
        self
    }

    /// The state after `x`, from `state` or from zeros.
    #[track_caller]
    pub fn step(&self, x: &Tensor, state: Option<&R::State>) -> R::State {
        let mut next = None;
        self.tag.call(x, || {
            let state = self.apply(x, state)?;
            let output = R::tensors(&state).swap_remove(0);
            next = Some(state);
            Ok(output)
        });
        next.expect("the call returned, so it ran to its end")
    }

    fn apply(&self, x: &Tensor, state: Option<&R::State>) -> Result<R::State> {
        let fail = |message: String| Err(Error::op(R::KINDS[1], message));
        let [batch, _] = x.shape()[..] else {
            return fail(format!("expects inputs [batch, {}], got {}", self.inputs, x.shape()));
        };
        let expected = [batch, self.hidden];
        let state = match state {
            Some(state) => state.clone(),
            None => R::start(Tensor::zeros_with(expected, x.dtype())),
        };
        if let Some(other) = R::tensors(&state).iter().find(|tensor| *tensor.shape() != expected) {
            return fail(format!("expects states {expected:?}, got {}", other.shape()));
        }
        self.recurrence.step(&self.weights.project(x)?, &state, &self.weights)
    }
}

impl<R: Recurrence> Module for RecurrentCell<R> {
    fn visit(&self, visitor: &mut dyn Visitor) {
        self.weights.visit_with("", visitor);
        visit_field("tag", &self.tag, visitor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::LstmState;
    use crate::layers::recorded::compare_calls;
    use hadal_core::testing::Attributes;

    fn cell<R: Recurrence>(a: &Attributes) -> RecurrentCell<R> {
        let cell = RecurrentCell::new(a.integer("input_size") as usize, a.integer("hidden_size") as usize);
        if a.flag("bias") { cell } else { cell.without_bias() }
    }

    #[test]
    fn compute_what_pytorch_computes() {
        let rnn = |a: &Attributes| if a.text("nonlinearity") == "relu" { cell(a).relu() } else { cell(a) };
        compare_calls("RNNCell", rnn, |cell, x| vec![cell.step(&x[0], x.get(1))]);
        compare_calls("GRUCell", cell, |cell: &GruCell, x| vec![cell.step(&x[0], x.get(1))]);
        compare_calls("LSTMCell", cell, |cell: &LstmCell, x| {
            let state = x.get(1).map(|hidden| LstmState { hidden: hidden.clone(), cell: x[2].clone() });
            let LstmState { hidden, cell } = cell.step(&x[0], state.as_ref());
            vec![hidden, cell]
        });
    }
}
