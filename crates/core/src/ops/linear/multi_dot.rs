//! `multi_dot`: the product of several matrices, in the cheapest order.

use crate::ops::prelude::*;
use std::borrow::Borrow;

#[fallible]
impl Tensor {
    /// The product of the matrices `[m, k]`, `[k, l]`, …; the first may be a row vector and the last a column vector.
    /// The order is that with the fewest multiplications (Cormen et al., "Introduction to Algorithms", 15.2).
    pub fn multi_dot(matrices: &[impl Borrow<Tensor>]) -> Result<Tensor> {
        let given: Vec<&Tensor> = matrices.iter().map(|m| m.borrow()).collect();
        let fail = || {
            let shapes: Vec<&Shape> = given.iter().map(|m| m.shape()).collect();
            Error::op("multi_dot", format!("needs matrices that can be multiplied one after the other, got {shapes:?}"))
        };
        let n = given.len();
        let (row, column) = (n > 0 && given[0].rank() == 1, n > 1 && given[n - 1].rank() == 1);
        let mut all: Vec<Tensor> = given.iter().map(|&m| m.clone()).collect();
        if row {
            all[0] = all[0].try_unsqueeze(0)?;
        }
        if column {
            all[n - 1] = all[n - 1].try_unsqueeze(1)?;
        }
        if n < 2 || all.iter().any(|m| m.rank() != 2) || all.windows(2).any(|w| w[0].size(1) != w[1].size(0)) {
            return Err(fail());
        }
        let y = product(&all, &splits(&all), 0, n - 1)?;
        let shape = y.shape()[row as usize..2 - column as usize].to_vec();
        y.try_reshape(shape)
    }
}

/// `[first][last]`: after which matrix the product of `first..=last` is cut best.
fn splits(matrices: &[Tensor]) -> Vec<Vec<usize>> {
    let n = matrices.len();
    let rows = |i: usize| matrices[i].size(0) as f64;
    let columns = |i: usize| matrices[i].size(1) as f64;
    let (mut cost, mut best) = (vec![vec![0.0; n]; n], vec![vec![0; n]; n]);
    for length in 1..n {
        for first in 0..n - length {
            let last = first + length;
            let of = |k: usize| cost[first][k] + cost[k + 1][last] + rows(first) * columns(k) * columns(last);
            let k = (first..last).min_by(|&a, &b| of(a).total_cmp(&of(b))).expect("at least one cut");
            (cost[first][last], best[first][last]) = (of(k), k);
        }
    }
    best
}

fn product(matrices: &[Tensor], splits: &[Vec<usize>], first: usize, last: usize) -> Result<Tensor> {
    if first == last {
        return Ok(matrices[first].clone());
    }
    let k = splits[first][last];
    product(matrices, splits, first, k)?.try_matmul(product(matrices, splits, k + 1, last)?)
}

pub(crate) fn cases() -> Cases {
    Cases::new("multi_dot", |_, x| vec![Tensor::multi_dot(x)])
}
