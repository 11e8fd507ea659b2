//! `lstm`: long short-term memory (Hochreiter & Schmidhuber 1997; the forget gate by Gers et al. 2000).

use super::recurrence::{Walk, sums, unroll};
use crate::ops::prelude::*;
use hadal_kernels::recurrent::Cell;

#[fallible]
impl Tensor {
    /// The inputs' part of the gates of all steps, `x·W_ihᵀ + b_ih` of shape `[batch, steps, 4·hidden]` (or
    /// `[steps, batch, …]`), to the outputs of all steps `[batch, steps, hidden]`, and output and memory after the
    /// last, `[batch, hidden]`.
    ///
    /// `hidden` and `cell` are output and memory before the first step, `weight` is W_hh `[4·hidden, hidden]`, `bias`
    /// b_hh. With gates i, f, g, o in this order: `c' = σ(f)·c + σ(i)·tanh(g)` and `h' = σ(o)·tanh(c')`.
    ///
    /// ```
    /// # use hadal_core::{Tensor, Walk};
    /// let (x, state, weight) = (Tensor::ones([2, 5, 12]), Tensor::zeros([2, 3]), Tensor::ones([12, 3]));
    /// let walk = Walk { axis: 1, backwards: false, lengths: None };
    /// let (y, hidden, _) = x.lstm(&state, &state, &weight, None, &walk);
    /// assert_eq!(y.select(1, 4).to_vec::<f32>(), hidden.to_vec::<f32>());
    /// ```
    pub fn lstm(
        &self,
        hidden: &Tensor,
        cell: &Tensor,
        weight: &Tensor,
        bias: Option<&Tensor>,
        walk: &Walk,
    ) -> Result<(Tensor, Tensor, Tensor)> {
        let outputs = unroll("lstm", Cell::Lstm, self, &[hidden, cell], [Some(weight), bias], walk)?;
        let [y, hidden, cell] = <[Tensor; 3]>::try_from(outputs).expect("three outputs");
        Ok((y, hidden, cell))
    }

    /// One step of [`Tensor::lstm`], `[batch, 4·hidden]` to output and memory `[batch, hidden]`.
    pub fn lstm_cell(
        &self,
        hidden: &Tensor,
        cell: &Tensor,
        weight: &Tensor,
        bias: Option<&Tensor>,
    ) -> Result<(Tensor, Tensor)> {
        let gates = sums(self, hidden, weight, bias)?.try_chunk(4, -1)?;
        let [i, f, g, o] = &gates[..] else {
            return Err(Error::op("lstm_cell", format!("needs gates [batch, 4·hidden], got {}", self.shape())));
        };
        let kept = f.try_sigmoid()?.try_mul(cell)?;
        let cell = kept.try_add(i.try_sigmoid()?.try_mul(g.try_tanh()?)?)?;
        Ok((o.try_sigmoid()?.try_mul(cell.try_tanh()?)?, cell))
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("lstm", |a, x| {
        if a.text("form") == "cell" {
            let (hidden, cell) = x[0].lstm_cell(&x[1], &x[2], &x[3], x.get(4));
            return vec![hidden, cell];
        }
        let (y, hidden, cell) = x[0].lstm(&x[1], &x[2], &x[3], x.get(4), &Walk::recorded(a));
        vec![y, hidden, cell]
    })
}
