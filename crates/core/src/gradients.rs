//! `Gradients`: what a backward walk returns, and arithmetic on it.

use crate::grad::{Key, LeafId, no_grad};
use crate::{DType, Error, Param, Result, Tensor};
use std::collections::{BTreeMap, HashMap};

/// What `backward` returns: a gradient for every leaf and parameter that the result depends on.
#[derive(Default, Clone)]
pub struct Gradients {
    leaves: BTreeMap<LeafId, Tensor>,
    /// Gradients of other tensors of the graph, as [`crate::grad`] was asked for.
    pub(crate) inner: HashMap<Key, Tensor>,
}

impl Gradients {
    pub(crate) fn add_leaf(&mut self, id: LeafId, g: Tensor) {
        let sum = match self.leaves.remove(&id) {
            Some(old) => old.add(&g),
            None => g,
        };
        self.leaves.insert(id, sum);
    }

    /// The gradient of a parameter; an error that names it if the result does not depend on it.
    pub fn get(&self, param: &Param) -> Result<&Tensor> {
        self.leaves.get(&param.id()).ok_or_else(|| {
            let name = param.name();
            let message = format!(
                "of parameter `{name}`: the loss does not depend on it; use it in the forward pass, \
                 freeze it (param.freeze()), or leave it out of the optimizer"
            );
            Error::op("gradient", message)
        })
    }

    /// The gradient of a leaf made by [`Tensor::requires_grad`].
    pub fn of(&self, leaf: &Tensor) -> Result<&Tensor> {
        let Some(id) = leaf.0.origin.as_ref().and_then(|o| o.node.leaf_id()) else {
            let message = "can be read for leaves only; for other tensors use grad(&[&y], &[], &[&x], …)";
            return Err(Error::op("gradient", message));
        };
        self.leaves.get(&id).ok_or_else(|| Error::op("gradient", "of this leaf: the loss does not depend on it"))
    }

    /// Replaces the gradient of a parameter (after clipping, say).
    pub fn set(&mut self, param: &Param, gradient: Tensor) {
        self.leaves.insert(param.id(), gradient);
    }

    /// Adds another pass's gradients to these: accumulation over micro-batches.
    pub fn accumulate(&mut self, other: Gradients) {
        for (id, g) in other.leaves {
            self.add_leaf(id, g);
        }
    }

    /// Every gradient multiplied by `factor`.
    pub fn scale(&mut self, factor: f64) {
        self.map(|g| g.mul(factor));
    }

    /// Every gradient replaced by `f` of it.
    pub fn map(&mut self, f: impl Fn(&Tensor) -> Tensor) {
        no_grad(|| self.leaves.values_mut().for_each(|g| *g = f(g)));
    }

    /// The gradients, in the order in which their leaves were made.
    pub fn iter(&self) -> impl Iterator<Item = &Tensor> {
        self.leaves.values()
    }

    /// The 2-norm of all gradients taken as one vector, computed in `f64`.
    pub fn global_norm(&self) -> f64 {
        let square = |g: &Tensor| g.to_dtype(DType::F64).mul(g.to_dtype(DType::F64)).sum(..).item::<f64>();
        no_grad(|| self.iter().map(square).sum::<f64>().sqrt())
    }
}
