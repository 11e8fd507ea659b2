//! `Recurrence`: one kind of recurrent step, and the parameters it works with.

use crate::compat::{self, Defaults};
use crate::init::{Initialiser, Orthogonal, Uniform, xavier_uniform};
use hadal_core::{Error, Module, Param, Result, Shape, Tensor, Visitor, Walk, visit_field};
use std::fmt::Debug;

/// What one step of a recurrent network computes: a cell, or one direction of one layer.
///
/// [`Recurrent`](super::Recurrent) walks it along sequences, [`RecurrentCell`](super::RecurrentCell) makes single steps.
pub trait Recurrence: Default + Debug + Send + Sync {
    /// The name of the layer, and that of the cell.
    const KINDS: [&'static str; 2];
    /// The blocks of rows in each weight.
    const GATES: usize;
    /// The gate that lets the state through, if one does so when it is 1: Keras starts its bias at 1 (Jozefowicz et al.,
    /// ICML 2015).
    const FORGET: Option<usize> = None;
    /// What is carried from step to step.
    type State: Clone + Debug;

    /// The state's tensors; the output is the first.
    fn tensors(state: &Self::State) -> Vec<Tensor>;

    /// The state of these tensors, as many as [`Recurrence::tensors`] gives.
    fn state(tensors: Vec<Tensor>) -> Self::State;

    /// A state of zeros, each tensor of the shape of `zeros`.
    fn start(zeros: Tensor) -> Self::State;

    /// The next state, each tensor `[batch, hidden]`, from `input = x·W_ihᵀ + b_ih`, which is `[batch, gates·hidden]`.
    fn step(&self, input: &Tensor, state: &Self::State, weights: &RecurrentWeights) -> Result<Self::State>;

    /// All steps of `inputs` from `state`: the outputs in the layout of the inputs, and the last state.
    ///
    /// By default step after step; a kind that has a kernel for whole sequences uses that.
    fn walk(
        &self,
        inputs: &Tensor,
        walk: &Walk,
        state: Self::State,
        weights: &RecurrentWeights,
    ) -> Result<(Tensor, Self::State)> {
        let step = |input: &Tensor, state: &[Tensor]| {
            Ok(Self::tensors(&self.step(input, &Self::state(state.to_vec()), weights)?))
        };
        let (outputs, last) = walk.along(&weights.project(inputs)?, Self::tensors(&state), step)?;
        Ok((outputs, Self::state(last)))
    }
}

/// The parameters of one step: rows are grouped by gate, in PyTorch's order.
#[derive(Debug)]
pub struct RecurrentWeights {
    /// `[gates·hidden, inputs]`
    pub weight_ih: Param,
    /// `[gates·hidden, hidden]`
    pub weight_hh: Param,
    /// `[gates·hidden]`
    pub bias_ih: Option<Param>,
    /// `[gates·hidden]`
    pub bias_hh: Option<Param>,
}

impl RecurrentWeights {
    /// PyTorch draws all uniformly from ±1/√hidden; Keras takes Glorot uniform, orthogonal and zeros.
    #[track_caller]
    pub(super) fn draw<R: Recurrence>(inputs: usize, hidden: usize, bias: bool) -> RecurrentWeights {
        if inputs == 0 || hidden == 0 {
            let message = format!("needs at least 1 input and 1 hidden unit, got {inputs} and {hidden}");
            Error::op(R::KINDS[0], message).raise();
        }
        let (defaults, rows) = (compat::current(), R::GATES * hidden);
        let (ih, hh) = (Shape::from([rows, inputs]), Shape::from([rows, hidden]));
        let bound = 1.0 / (hidden.max(1) as f64).sqrt();
        let uniform = Uniform::new(-bound, bound);
        let (ih, hh, bias_ih, bias_hh) = match defaults {
            Defaults::PyTorch => {
                let bias = || uniform.draw(&rows.into());
                (uniform.draw(&ih), uniform.draw(&hh), bias(), bias())
            }
            Defaults::Keras => {
                let open = |row: usize| if R::FORGET == Some(row / hidden) { 1f32 } else { 0.0 };
                let start = Tensor::from_vec((0..rows).map(open).collect(), rows);
                (xavier_uniform().draw(&ih), Orthogonal::new().draw(&hh), start, Tensor::zeros(rows))
            }
        };
        let optional = |value: Tensor| bias.then(|| Param::new(value));
        RecurrentWeights {
            weight_ih: Param::new(ih),
            weight_hh: Param::new(hh),
            bias_ih: optional(bias_ih),
            bias_hh: optional(bias_hh),
        }
    }

    /// `x·W_ihᵀ + b_ih` for inputs `[…, inputs]`.
    pub fn project(&self, x: &Tensor) -> Result<Tensor> {
        x.try_linear(&self.weight_ih.get(), self.bias_ih.as_ref().map(Param::get).as_ref())
    }

    /// `b_ih + b_hh`, if there are biases: for steps that add up all.
    pub fn bias(&self) -> Result<Option<Tensor>> {
        let biases = self.bias_ih.as_ref().zip(self.bias_hh.as_ref());
        biases.map(|(ih, hh)| ih.get().try_add(hh.get())).transpose()
    }

    /// b_hh, if there is one.
    pub fn recurrent_bias(&self) -> Option<Tensor> {
        self.bias_hh.as_ref().map(Param::get)
    }

    /// `h·W_hhᵀ + b_hh` for outputs of the step before, `[batch, hidden]`.
    pub fn recur(&self, hidden: &Tensor) -> Result<Tensor> {
        hidden.try_linear(&self.weight_hh.get(), self.bias_hh.as_ref().map(Param::get).as_ref())
    }

    /// Visits the parameters under their names with something behind each: `weight_ih` and `_l0`.
    pub(super) fn visit_with(&self, suffix: &str, visitor: &mut dyn Visitor) {
        let mut visit = |name: &str, field: &dyn Module| visit_field(&format!("{name}{suffix}"), field, visitor);
        visit("weight_ih", &self.weight_ih);
        visit("weight_hh", &self.weight_hh);
        visit("bias_ih", &self.bias_ih);
        visit("bias_hh", &self.bias_hh);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::Rnn;
    use crate::layers::gru::GatedRecurrence;
    use crate::layers::lstm::LongShortTerm;
    use crate::layers::rnn::Elman;
    use hadal_core::testing::assert_close;
    use hadal_core::{DType, Keep, grad, no_grad};

    /// A kind of steps without a kernel for sequences.
    #[derive(Debug, Default)]
    struct StepByStep<R>(R);

    impl<R: Recurrence> Recurrence for StepByStep<R> {
        const KINDS: [&'static str; 2] = R::KINDS;
        const GATES: usize = R::GATES;
        type State = R::State;

        fn tensors(state: &R::State) -> Vec<Tensor> {
            R::tensors(state)
        }

        fn state(tensors: Vec<Tensor>) -> R::State {
            R::state(tensors)
        }

        fn start(zeros: Tensor) -> R::State {
            R::start(zeros)
        }

        fn step(&self, input: &Tensor, state: &R::State, weights: &RecurrentWeights) -> Result<R::State> {
            self.0.step(input, state, weights)
        }
    }

    /// Outputs and last state of both ways, and the gradients of all that goes in.
    fn compare<R: Recurrence>(fused: R, steps: R) {
        let plain = StepByStep(steps);
        let weights = RecurrentWeights::draw::<R>(3, 5, true);
        let params = [&weights.weight_ih, &weights.weight_hh].into_iter();
        let params: Vec<&Param> = params.chain(&weights.bias_ih).chain(&weights.bias_hh).collect();
        params.iter().for_each(|p| p.replace(&no_grad(|| p.get().to_dtype(DType::F64))));
        let draw = |shape: &[usize], seed: usize| {
            let values = (0..shape.iter().product()).map(|i| ((i + seed) as f64 * 1.3).sin()).collect();
            Tensor::from_vec(values, shape).requires_grad()
        };
        let lengths = [4, 1, 3];
        for (axis, shape) in [(0, [4, 3, 3]), (1, [3, 4, 3])] {
            for backwards in [false, true] {
                for lengths in [None, Some(&lengths[..])] {
                    let walk = Walk { axis, backwards, lengths };
                    let x = draw(&shape, 0);
                    let start: Vec<Tensor> =
                        (0..R::tensors(&R::start(x.clone())).len()).map(|i| draw(&[3, 5], 50 * (i + 1))).collect();
                    let results = |fused: &dyn Fn() -> (Tensor, R::State)| -> Vec<Tensor> {
                        let (y, last) = fused();
                        let outputs: Vec<Tensor> = [y].into_iter().chain(R::tensors(&last)).collect();
                        let products = outputs.iter().enumerate().map(|(i, t)| t.mul(draw(t.shape(), 7 * i)).sum(..));
                        let loss = products.reduce(|a, b| a.add(b)).expect("outputs");
                        let leaves = [x.clone()].into_iter().chain(start.clone()).chain(params.iter().map(|p| p.get()));
                        let leaves: Vec<Tensor> = leaves.collect();
                        let found = grad(&[&loss], &[], &leaves.iter().collect::<Vec<_>>(), Keep::Nothing);
                        outputs.into_iter().chain(found.expect("all take part")).collect()
                    };
                    let state = || R::state(start.clone());
                    let found = results(&|| fused.walk(&x, &walk, state(), &weights).expect("the shapes fit"));
                    let expected = results(&|| plain.walk(&x, &walk, state(), &weights).expect("the shapes fit"));
                    for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
                        assert_close(found, expected, 1e-12, &format!("{} {walk:?}: {i}", R::KINDS[0]));
                    }
                }
            }
        }
    }

    #[test]
    fn kernels_for_sequences_do_what_their_steps_do() {
        let relu = || Rnn::new(1, 1).relu().recurrence;
        compare(LongShortTerm, LongShortTerm);
        compare(GatedRecurrence, GatedRecurrence);
        compare(Elman::default(), Elman::default());
        compare(relu(), relu());
    }
}
