//! `rnn`: the plain recurrent network (Elman 1990), with tanh or ReLU.

use super::recurrence::{Walk, sums, unroll};
use crate::ops::prelude::*;
use hadal_kernels::recurrent::Cell;

#[fallible]
impl Tensor {
    /// The inputs' part of all steps, `x·W_ihᵀ + b_ih` of shape `[batch, steps, hidden]` (or `[steps, batch, …]`), to
    /// the outputs of all steps, of the same shape, and that of the last, `[batch, hidden]`.
    ///
    /// `hidden` is the output before the first step, `weight` is W_hh `[hidden, hidden]`, `bias` b_hh:
    /// `h' = tanh(x·W_ihᵀ + b_ih + h·W_hhᵀ + b_hh)`.
    pub fn rnn_tanh(
        &self,
        hidden: &Tensor,
        weight: &Tensor,
        bias: Option<&Tensor>,
        walk: &Walk,
    ) -> Result<(Tensor, Tensor)> {
        let outputs = unroll("rnn_tanh", Cell::RnnTanh, self, &[hidden], [Some(weight), bias], walk)?;
        let [y, hidden] = <[Tensor; 2]>::try_from(outputs).expect("two outputs");
        Ok((y, hidden))
    }

    /// [`Tensor::rnn_tanh`] with ReLU in place of tanh.
    pub fn rnn_relu(
        &self,
        hidden: &Tensor,
        weight: &Tensor,
        bias: Option<&Tensor>,
        walk: &Walk,
    ) -> Result<(Tensor, Tensor)> {
        let outputs = unroll("rnn_relu", Cell::RnnRelu, self, &[hidden], [Some(weight), bias], walk)?;
        let [y, hidden] = <[Tensor; 2]>::try_from(outputs).expect("two outputs");
        Ok((y, hidden))
    }

    /// One step of [`Tensor::rnn_tanh`], `[batch, hidden]` to the same.
    pub fn rnn_tanh_cell(&self, hidden: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        sums(self, hidden, weight, bias)?.try_tanh()
    }

    /// One step of [`Tensor::rnn_relu`], `[batch, hidden]` to the same.
    pub fn rnn_relu_cell(&self, hidden: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        sums(self, hidden, weight, bias)?.try_relu()
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("rnn", |a, x| {
        let (relu, bias) = (a.text("nonlinearity") == "relu", x.get(3));
        if a.text("form") == "cell" {
            let step = if relu { Tensor::rnn_relu_cell } else { Tensor::rnn_tanh_cell };
            return vec![step(&x[0], &x[1], &x[2], bias)];
        }
        let unroll = if relu { Tensor::rnn_relu } else { Tensor::rnn_tanh };
        let (y, hidden) = unroll(&x[0], &x[1], &x[2], bias, &Walk::recorded(a));
        vec![y, hidden]
    })
}
