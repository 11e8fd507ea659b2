//! Activation checkpointing: a second forward pass instead of the memory of the first (Chen et al. 2016).

use crate::grad::{Grad, Grads, leaves_of};
use crate::op::{Input, Metas, Op, Output, Reads, apply_all};
use crate::random::default_generator;
use crate::tensor::{Meta, Tensor};
use crate::{Keep, Result, dispatch, enable_grad, partial_grad};
use std::fmt;

type Segment = dyn Fn(&[Tensor]) -> Vec<Tensor> + Send + Sync;

/// Computes `f(inputs)` without keeping what its gradient needs; backward runs `f` again.
///
/// Parameters that `f` uses get their gradients as usual, and random numbers drawn inside (dropout) are the
/// same in the second run. `f` must depend on its inputs, parameters and random numbers only.
///
/// ```
/// use hadal_core::{Tensor, checkpoint};
/// let x = Tensor::from([0.5f64, 1.0]).requires_grad();
/// let y = checkpoint(|x| vec![x[0].exp().exp()], &[&x]).unwrap().remove(0);
/// let gradients = y.sum(..).backward();
/// assert_eq!(gradients.of(&x).unwrap().to_vec::<f64>(), (x.exp().exp() * x.exp()).to_vec::<f64>());
/// ```
pub fn checkpoint(
    f: impl Fn(&[Tensor]) -> Vec<Tensor> + Send + Sync + 'static,
    inputs: &[&Tensor],
) -> Result<Vec<Tensor>> {
    let start = default_generator().state().get();
    // The first run records only to learn which parameters take part; its history is dropped at once.
    let given: Vec<Tensor> = inputs.iter().map(|t| t.requires_grad()).collect();
    let results = enable_grad(|| f(&given));
    let parameters = leaves_of(&results, &given);
    let values = results.iter().map(Tensor::detach).collect();
    drop(results);
    let arguments: Vec<&Tensor> = inputs.iter().copied().chain(&parameters).collect();
    let op = Recompute { segment: Box::new(f), start, inputs: inputs.len(), values, parameters: parameters.clone() };
    Ok(apply_all(op, &arguments)?.into_vec())
}

struct Recompute {
    segment: Box<Segment>,
    /// The generator's state before the first run.
    start: Tensor,
    inputs: usize,
    /// The results of the first run.
    values: Vec<Tensor>,
    /// Leaves that the segment reached on its own; they follow the inputs among the op's arguments.
    parameters: Vec<Tensor>,
}

impl fmt::Debug for Recompute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recompute {{ inputs: {}, parameters: {} }}", self.inputs, self.parameters.len())
    }
}

impl Recompute {
    /// Runs the segment again with the random numbers of the first run.
    fn again(&self, inputs: &[Tensor]) -> Vec<Tensor> {
        let state = default_generator().state();
        let now = state.get();
        state.replace(&self.start);
        let results = enable_grad(|| (self.segment)(inputs));
        state.replace(&now);
        results
    }
}

impl Op for Recompute {
    fn name(&self) -> &'static str {
        "checkpoint"
    }

    fn infer(&self, _: &[Meta]) -> Result<Metas> {
        Ok(self.values.iter().map(Tensor::meta).collect())
    }

    fn run(&self, _: &[Input], y: &mut [Output]) {
        for (value, y) in self.values.iter().zip(y) {
            dispatch!(all y.dtype(), T => y.slice::<T>().copy_from_slice(&value.to_vec::<T>()));
        }
    }

    fn reads(&self) -> Reads {
        Reads { inputs: (1 << self.inputs) - 1, outputs: 0 }
    }

    fn grad(&self, g: &Grad) -> Grads {
        let recording = crate::grad::enabled();
        let input = |i| if recording { g.input(i) } else { g.input(i).requires_grad() };
        let inputs: Vec<Tensor> = (0..self.inputs).map(input).collect();
        let results = self.again(&inputs);
        let used: Vec<usize> = (0..results.len()).filter(|&i| g.used(i).is_some() && results[i].has_grad()).collect();
        let ys: Vec<&Tensor> = used.iter().map(|&i| &results[i]).collect();
        let seeds: Vec<Option<&Tensor>> = used.iter().map(|&i| g.used(i)).collect();
        let xs: Vec<&Tensor> = inputs.iter().chain(&self.parameters).collect();
        let keep = if recording { Keep::Graph } else { Keep::Nothing };
        partial_grad(&ys, &seeds, &xs, keep).unwrap_or_else(|e| e.raise())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Param;

    #[test]
    fn gradients_equal_those_of_the_plain_computation() {
        let weight = Param::new(Tensor::from([0.3f64, -0.2]));
        let x = Tensor::from([1.5f64, 0.7]).requires_grad();
        let handle = weight.clone();
        let f = move |x: &[Tensor]| vec![(&x[0] * handle.get()).exp() * &x[0]];
        let plain = f(std::slice::from_ref(&x))[0].sum(..).backward();
        let spared = checkpoint(f, &[&x]).unwrap()[0].sum(..).backward();
        assert_eq!(plain.of(&x).unwrap().to_vec::<f64>(), spared.of(&x).unwrap().to_vec::<f64>());
        assert_eq!(plain.get(&weight).unwrap().to_vec::<f64>(), spared.get(&weight).unwrap().to_vec::<f64>());
    }
}
