//! `chunk`: an axis cut into a number of equal pieces.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// At most `chunks` pieces of equal size along `axis`; the last may be smaller, and as in PyTorch there
    /// may be fewer than asked. Views.
    pub fn chunk(&self, chunks: usize, axis: isize) -> Result<Vec<Tensor>> {
        let size = self.shape()[self.shape().axis(axis, "chunk")?];
        if chunks == 0 {
            return Err(Error::op("chunk", "needs at least 1 piece, got 0"));
        }
        if size == 0 {
            return self.try_split_sizes(&vec![0; chunks], axis);
        }
        self.try_split(size.div_ceil(chunks), axis)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("chunk", |a, x| x[0].chunk(a.integer("chunks") as usize, a.integer("dim")))
}
