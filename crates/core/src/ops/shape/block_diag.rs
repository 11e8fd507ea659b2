//! `block_diag`: matrices along the diagonal of a larger one.

use crate::Border;
use crate::ops::prelude::*;
use std::borrow::Borrow;

#[fallible]
impl Tensor {
    /// A matrix of zeros with the given ones along its diagonal; vectors and scalars count as rows.
    pub fn block_diag(blocks: &[impl Borrow<Tensor>]) -> Result<Tensor> {
        let mut columns = 0;
        for block in blocks.iter().map(|b| b.borrow()) {
            if block.rank() > 2 {
                return Err(Error::op("block_diag", format!("needs matrices, got shape {}", block.shape())));
            }
            columns += block.shape().last().copied().unwrap_or(1);
        }
        let mut before = 0;
        let band = |b: &Tensor| {
            let rows = if b.rank() < 2 { b.try_reshape([1, b.elements()])? } else { b.clone() };
            let after = columns - before - rows.size(1);
            before += rows.size(1);
            rows.try_pad([((columns - after - rows.size(1)) as isize, after as isize)], Border::ZEROS)
        };
        Tensor::try_cat(&blocks.iter().map(|b| b.borrow()).map(band).collect::<Result<Vec<_>>>()?, 0)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("block_diag", |_, x| vec![Tensor::block_diag(x)])
}
