//! `tile`: `repeat`, with 1 for the axes that are not mentioned.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// As [`Tensor::repeat`]; fewer numbers than axes are for the last axes.
    pub fn tile(&self, times: impl AsRef<[usize]>) -> Result<Tensor> {
        let times = times.as_ref();
        let missing = self.rank().saturating_sub(times.len());
        self.try_repeat([&vec![1; missing], times].concat())
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("tile", |a, x| vec![x[0].tile(a.sizes("dims"))])
}
