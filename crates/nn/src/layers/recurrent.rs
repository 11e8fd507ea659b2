//! `Recurrent`: a recurrence along sequences, in layers and in both directions.

use super::{Recurrence, RecurrentWeights, Walk};
use crate::Layer;
use hadal_core::{Error, Mode, Module, Result, Tag, Tensor, Visitor};

/// A recurrent network: [`Rnn`](super::Rnn), [`Lstm`](super::Lstm) or [`Gru`](super::Gru).
///
/// Takes `[batch, steps, inputs]` and gives `[batch, steps, hidden]`, the output of every step of the last layer; with two
/// directions `[batch, steps, 2·hidden]`. States are `[layers, batch, hidden]`, with two directions `[2·layers, …]`: the
/// forward and the backward state of the first layer, then those of the second.
///
/// The keys are PyTorch's: `weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0`, `bias_hh_l0`, `weight_ih_l0_reverse` …
///
/// ```
/// use hadal_core::{ModuleExt, Tensor};
/// use hadal_nn::{Layer, layers::Lstm};
/// let lstm = Lstm::new(128, 256).layers(2);
/// assert_eq!(lstm.parameter_count(), 921_600);
/// let x = Tensor::zeros([32, 64, 128]);
/// assert_eq!(*lstm.forward(&x).shape(), [32, 64, 256]);
/// let (output, state) = lstm.unroll(&x, None);
/// let (_, next) = lstm.unroll(&output.narrow(2, 0, 128), Some(&state));
/// assert_eq!(*next.cell.shape(), [2, 32, 256]);
/// ```
#[derive(Debug)]
pub struct Recurrent<R: Recurrence> {
    pub(super) recurrence: R,
    /// Layer by layer; of each layer forward, then backward.
    pub weights: Vec<RecurrentWeights>,
    inputs: usize,
    hidden: usize,
    layers: usize,
    directions: usize,
    bias: bool,
    /// Which axis counts the steps.
    axis: usize,
    dropout: f64,
    mode: Mode,
    tag: Tag,
}

impl<R: Recurrence> Recurrent<R> {
    /// One layer, forward, from `inputs` features to `hidden` units.
    #[track_caller]
    pub fn new(inputs: usize, hidden: usize) -> Recurrent<R> {
        Recurrent {
            recurrence: R::default(),
            weights: Vec::new(),
            inputs,
            hidden,
            layers: 1,
            directions: 1,
            bias: true,
            axis: 1,
            dropout: 0.0,
            mode: Mode::default(),
            tag: Tag::new(R::KINDS[0]),
        }
        .drawn()
    }

    #[track_caller]
    fn drawn(mut self) -> Recurrent<R> {
        self.weights.clear();
        for i in 0..self.layers * self.directions {
            let inputs = if i < self.directions { self.inputs } else { self.directions * self.hidden };
            self.weights.push(RecurrentWeights::draw::<R>(inputs, self.hidden, self.bias));
        }
        self
    }

    /// So many layers, each on the outputs of the one before. The parameters are drawn anew.
    #[track_caller]
    pub fn layers(self, layers: usize) -> Recurrent<R> {
        if layers == 0 {
            Error::op(R::KINDS[0], "needs at least one layer, got 0").raise();
        }
        Recurrent { layers, ..self }.drawn()
    }

    /// Also from the last step to the first, with parameters of its own. The parameters are drawn anew.
    pub fn bidirectional(self) -> Recurrent<R> {
        Recurrent { directions: 2, ..self }.drawn()
    }

    /// Without biases.
    pub fn without_bias(mut self) -> Recurrent<R> {
        self.bias = false;
        self.weights.iter_mut().for_each(|weights| (weights.bias_ih, weights.bias_hh) = (None, None));
        self
    }

    /// Sequences are `[steps, batch, features]`, PyTorch's default (`batch_first=False`). States stay as they are.
    pub fn sequence_first(self) -> Recurrent<R> {
        Recurrent { axis: 0, ..self }
    }

    /// In training, the outputs of each layer but the last are dropped with this probability.
    #[track_caller]
    pub fn dropout(self, p: f64) -> Recurrent<R> {
        if !(0.0..=1.0).contains(&p) {
            Error::op(R::KINDS[0], format!("needs a probability between 0 and 1, got {p}")).raise();
        }
        Recurrent { dropout: p, ..self }
    }

    /// The outputs of all steps, and the state after the last; starts from `state`, or from zeros.
    #[track_caller]
    pub fn unroll(&self, x: &Tensor, state: Option<&R::State>) -> (Tensor, R::State) {
        self.called(x, None, state)
    }

    /// As [`Recurrent::unroll`] for sequences of which only the first `lengths` steps mean something, the rest filling
    /// them up. Each sequence's state is that after its own last step, backwards that after its first, and outputs beyond
    /// its end are zeros: PyTorch's packed sequences.
    ///
    /// ```
    /// use hadal_core::Tensor;
    /// use hadal_nn::layers::Gru;
    /// let gru = Gru::new(3, 4).bidirectional();
    /// let x = Tensor::ones([2, 5, 3]);
    /// let (padded, _) = gru.unroll_padded(&x, &[5, 2], None);
    /// let (short, _) = gru.unroll(&x.narrow(1, 0, 2), None);
    /// assert_eq!(padded.select(0, 1).narrow(0, 0, 2).to_vec::<f32>(), short.select(0, 1).to_vec::<f32>());
    /// assert_eq!(padded.select(0, 1).narrow(0, 2, 3).to_vec::<f32>(), [0.0; 3 * 8]);
    /// ```
    #[track_caller]
    pub fn unroll_padded(&self, x: &Tensor, lengths: &[usize], state: Option<&R::State>) -> (Tensor, R::State) {
        self.called(x, Some(lengths), state)
    }

    #[track_caller]
    fn called(&self, x: &Tensor, lengths: Option<&[usize]>, state: Option<&R::State>) -> (Tensor, R::State) {
        let mut last = None;
        let output = self.tag.call(x, || {
            let (output, state) = self.apply(x, lengths, state)?;
            last = Some(state);
            Ok(output)
        });
        (output, last.expect("the call returned, so it ran to its end"))
    }

    fn apply(&self, x: &Tensor, lengths: Option<&[usize]>, state: Option<&R::State>) -> Result<(Tensor, R::State)> {
        let mut states = self.states(x, self.checked(x, lengths, state)?)?.into_iter();
        let (mut x, mut last) = (x.clone(), Vec::with_capacity(self.weights.len()));
        for (layer, directions) in self.weights.chunks(self.directions).enumerate() {
            if layer > 0 && self.dropout > 0.0 && self.mode.is_training() {
                x = x.try_dropout(self.dropout)?;
            }
            let mut outputs = Vec::with_capacity(self.directions);
            for ((i, weights), state) in directions.iter().enumerate().zip(&mut states) {
                let walk = Walk { axis: self.axis, backwards: i == 1, lengths };
                let (output, state) = self.recurrence.walk(&x, &walk, state, weights)?;
                outputs.push(output);
                last.push(R::tensors(&state));
            }
            x = if outputs.len() == 1 { outputs.swap_remove(0) } else { Tensor::try_cat(&outputs, -1)? };
        }
        // One tensor per kind of state, with an axis of layers and directions in front.
        let stacked = (0..last[0].len()).map(|kind| {
            let parts: Vec<&Tensor> = last.iter().map(|tensors| &tensors[kind]).collect();
            Tensor::try_stack(&parts, 0)
        });
        Ok((x, R::state(stacked.collect::<Result<_>>()?)))
    }

    /// The state's tensors, if lengths and the shapes of inputs and state are right.
    fn checked(&self, x: &Tensor, lengths: Option<&[usize]>, state: Option<&R::State>) -> Result<Option<Vec<Tensor>>> {
        let fail = |message: String| Err(Error::op(R::KINDS[0], message));
        let (layout, inputs) = (["steps, batch", "batch, steps"][self.axis], self.inputs);
        if x.rank() != 3 || x.shape()[2] != inputs {
            return fail(format!("expects inputs [{layout}, {inputs}], got {}", x.shape()));
        }
        if x.shape()[self.axis] == 0 {
            return fail(format!("needs at least one step, got {} as [{layout}, {inputs}]", x.shape()));
        }
        let (steps, batch) = (x.shape()[self.axis], x.shape()[1 - self.axis]);
        if let Some(lengths) = lengths
            && (lengths.len() != batch || lengths.iter().any(|&length| length == 0 || length > steps))
        {
            return fail(format!("expects {batch} lengths from 1 to {steps}, got {lengths:?}"));
        }
        let Some(state) = state else { return Ok(None) };
        let (tensors, expected) = (R::tensors(state), [self.weights.len(), batch, self.hidden]);
        match tensors.iter().find(|tensor| *tensor.shape() != expected) {
            Some(other) => fail(format!("expects states {expected:?}, got {}", other.shape())),
            None => Ok(Some(tensors)),
        }
    }

    /// The states at the start, one per layer and direction.
    fn states(&self, x: &Tensor, given: Option<Vec<Tensor>>) -> Result<Vec<R::State>> {
        let zeros = || Tensor::zeros_with([x.shape()[1 - self.axis], self.hidden], x.dtype());
        let Some(given) = given else { return Ok(self.weights.iter().map(|_| R::start(zeros())).collect()) };
        let parts = given.iter().map(|tensor| tensor.try_unbind(0)).collect::<Result<Vec<_>>>()?;
        Ok((0..self.weights.len()).map(|i| R::state(parts.iter().map(|part| part[i].clone()).collect())).collect())
    }
}

impl<R: Recurrence> Layer for Recurrent<R> {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.tag.call(x, || Ok(self.apply(x, None, None)?.0))
    }
}

impl<R: Recurrence> Module for Recurrent<R> {
    fn visit(&self, visitor: &mut dyn Visitor) {
        for (i, weights) in self.weights.iter().enumerate() {
            let direction = ["", "_reverse"][i % self.directions];
            weights.visit_with(&format!("_l{}{direction}", i / self.directions), visitor);
        }
        visitor.mode(&self.mode);
        hadal_core::visit_field("tag", &self.tag, visitor);
    }
}

#[cfg(test)]
mod tests {
    use crate::Layer;
    use crate::layers::{Gru, Lstm};
    use hadal_core::{ModuleExt, Tensor};

    #[test]
    fn keys_come_in_the_order_of_pytorch() {
        let names = |layer: &dyn Layer| -> Vec<String> { layer.named_parameters().into_iter().map(|p| p.0).collect() };
        assert_eq!(
            names(&Gru::new(3, 2).layers(2).bidirectional())[4..10],
            [
                "weight_ih_l0_reverse",
                "weight_hh_l0_reverse",
                "bias_ih_l0_reverse",
                "bias_hh_l0_reverse",
                "weight_ih_l1",
                "weight_hh_l1"
            ]
        );
        assert_eq!(names(&Lstm::new(3, 2).without_bias()), ["weight_ih_l0", "weight_hh_l0"]);
    }

    #[test]
    fn dropout_lies_between_layers_and_rests_in_evaluation() {
        let x = Tensor::ones([2, 3, 4]);
        let one = Gru::new(4, 5).dropout(0.5);
        assert_eq!(one.forward(&x).to_bytes(), one.forward(&x).to_bytes());
        let two = Gru::new(4, 5).layers(2).dropout(0.5);
        assert_ne!(two.forward(&x).to_bytes(), two.forward(&x).to_bytes());
        two.eval();
        assert_eq!(two.forward(&x).to_bytes(), two.forward(&x).to_bytes());
    }

    /// Two halves of a sequence with the state handed on are the whole.
    #[test]
    fn a_state_continues_a_sequence() {
        let lstm = Lstm::new(3, 4).layers(2);
        let x = Tensor::from_vec((0..36).map(|i| (i as f32).sin()).collect(), [2, 6, 3]);
        let (first, state) = lstm.unroll(&x.narrow(1, 0, 4), None);
        let (second, end) = lstm.unroll(&x.narrow(1, 4, 2), Some(&state));
        let (whole, last) = lstm.unroll(&x, None);
        assert_eq!(Tensor::cat(&[first, second], 1).to_vec::<f32>(), whole.to_vec::<f32>());
        assert_eq!(end.cell.to_vec::<f32>(), last.cell.to_vec::<f32>());
    }

    #[test]
    fn mistakes_are_explained() {
        let lstm = Lstm::new(3, 4);
        let text = |x: &[usize], batch: usize| {
            let state = Lstm::new(3, 4).unroll(&Tensor::zeros([batch, 1, 3]), None).1;
            lstm.apply(&Tensor::zeros(x), None, Some(&state)).unwrap_err().to_string()
        };
        assert_eq!(text(&[2, 5, 4], 2), "Lstm expects inputs [batch, steps, 3], got [2, 5, 4]");
        assert_eq!(text(&[2, 0, 3], 2), "Lstm needs at least one step, got [2, 0, 3] as [batch, steps, 3]");
        assert_eq!(text(&[2, 5, 3], 7), "Lstm expects states [1, 2, 4], got [1, 7, 4]");
        let error = lstm.apply(&Tensor::zeros([2, 5, 3]), Some(&[6, 1]), None).unwrap_err().to_string();
        assert_eq!(error, "Lstm expects 2 lengths from 1 to 5, got [6, 1]");
    }
}
