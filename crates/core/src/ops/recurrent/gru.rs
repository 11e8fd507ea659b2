//! `gru`: gated recurrent units (Cho et al. 2014), with PyTorch's and cuDNN's placing of the biases.

use super::recurrence::{Walk, unroll};
use crate::ops::prelude::*;
use hadal_kernels::recurrent::Cell;

#[fallible]
impl Tensor {
    /// The inputs' part of the gates of all steps, `x·W_ihᵀ + b_ih` of shape `[batch, steps, 3·hidden]` (or
    /// `[steps, batch, …]`), to the outputs of all steps `[batch, steps, hidden]` and that of the last,
    /// `[batch, hidden]`.
    ///
    /// `hidden` is the output before the first step, `weight` is W_hh `[3·hidden, hidden]`, `bias` b_hh. With gates
    /// r, z, n in this order: `n' = tanh(n + σ(r)·(W_hn·h + b_hn))` and `h' = n' + σ(z)·(h − n')`.
    pub fn gru(
        &self,
        hidden: &Tensor,
        weight: &Tensor,
        bias: Option<&Tensor>,
        walk: &Walk,
    ) -> Result<(Tensor, Tensor)> {
        let outputs = unroll("gru", Cell::Gru, self, &[hidden], [Some(weight), bias], walk)?;
        let [y, hidden] = <[Tensor; 2]>::try_from(outputs).expect("two outputs");
        Ok((y, hidden))
    }

    /// One step of [`Tensor::gru`], `[batch, 3·hidden]` to `[batch, hidden]`.
    pub fn gru_cell(&self, hidden: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let size = hidden.shape().last().copied().unwrap_or(1);
        let parts = |t: &Tensor| t.try_split_sizes(&[2 * size, size], -1);
        let (input, recurrent) = (parts(self)?, parts(&hidden.try_linear(weight, bias)?)?);
        let gates = input[0].try_add(&recurrent[0])?.try_sigmoid()?.try_chunk(2, -1)?;
        let new = input[1].try_add(gates[0].try_mul(&recurrent[1])?)?.try_tanh()?;
        new.try_add(gates[1].try_mul(hidden.try_sub(&new)?)?)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("gru", |a, x| {
        if a.text("form") == "cell" {
            return vec![x[0].gru_cell(&x[1], &x[2], x.get(3))];
        }
        let (y, hidden) = x[0].gru(&x[1], &x[2], x.get(3), &Walk::recorded(a));
        vec![y, hidden]
    })
}
