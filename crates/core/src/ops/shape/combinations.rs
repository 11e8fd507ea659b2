//! `combinations`: all choices of elements of a vector.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// All choices of `r` elements of this vector, as rows in the order of positions: `[choices, r]`.
    pub fn combinations(&self, r: usize) -> Result<Tensor> {
        if self.rank() != 1 {
            return Err(Error::op("combinations", format!("needs a vector, got shape {}", self.shape())));
        }
        let n = self.elements();
        let mut rows: Vec<i64> = Vec::new();
        let mut next = (r <= n).then(|| (0..r).collect::<Vec<usize>>());
        while let Some(mut chosen) = next {
            rows.extend(chosen.iter().map(|&i| i as i64));
            // The last position that can still move on; those after it follow it closely.
            next = (0..r).rev().find(|&i| chosen[i] < n - r + i).map(|i| {
                let moved = chosen[i] + 1;
                chosen[i..].iter_mut().zip(moved..).for_each(|(position, at)| *position = at);
                chosen
            });
        }
        let count = rows.len().checked_div(r).unwrap_or(1);
        self.try_index_select(0, &Tensor::from(rows))?.try_reshape([count, r])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("combinations", |a, x| vec![x[0].combinations(a.integer("r") as usize)])
}
