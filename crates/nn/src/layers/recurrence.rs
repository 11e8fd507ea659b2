//! `Recurrence`: one kind of recurrent step, and the parameters it works with.

use crate::compat::{self, Defaults};
use crate::init::{Initialiser, Orthogonal, Uniform, xavier_uniform};
use hadal_core::{Error, Module, Param, Result, Shape, Tensor, Visitor, visit_field};
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
    fn walk(
        &self,
        inputs: &Tensor,
        walk: &Walk,
        state: Self::State,
        weights: &RecurrentWeights,
    ) -> Result<(Tensor, Self::State)> {
        let axis = walk.axis as isize;
        let mut steps: Vec<(usize, Tensor)> =
            weights.project(inputs)?.try_unbind(axis)?.into_iter().enumerate().collect();
        if walk.backwards {
            steps.reverse();
        }
        let (mut state, mut outputs) = (state, Vec::with_capacity(steps.len()));
        for (number, input) in &steps {
            let next = self.step(input, &state, weights)?;
            let output = Self::tensors(&next).swap_remove(0);
            match walk.beyond(*number) {
                None => {
                    state = next;
                    outputs.push(output);
                }
                // Sequences that are over, or have not begun, keep their state and give zeros.
                Some(beyond) => {
                    let pairs = Self::tensors(&state).into_iter().zip(Self::tensors(&next));
                    let kept = pairs.map(|(old, new)| beyond.try_where_(old, new));
                    state = Self::state(kept.collect::<Result<_>>()?);
                    outputs.push(output.try_masked_fill(&beyond, 0)?);
                }
            }
        }
        if walk.backwards {
            outputs.reverse();
        }
        Ok((Tensor::try_stack(&outputs, axis)?, state))
    }
}

/// How a recurrence goes along sequences.
#[derive(Clone, Copy, Debug)]
pub struct Walk<'a> {
    /// The axis of the inputs that counts steps: 0 or 1; the batch is the other.
    pub axis: usize,
    /// From the last step to the first.
    pub backwards: bool,
    /// The number of steps that mean something in each sequence, all if not given.
    pub lengths: Option<&'a [usize]>,
}

impl Walk<'_> {
    /// Which sequences do not have this step, `[batch, 1]`, if some have not.
    fn beyond(&self, step: usize) -> Option<Tensor> {
        let over: Vec<bool> = self.lengths?.iter().map(|&length| step >= length).collect();
        let batch = over.len();
        over.contains(&true).then(|| Tensor::from_vec(over, [batch, 1]))
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
