//! `slice_scatter`: part of an axis replaced.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// This tensor with `source` at positions `start`, `start + step`, … along `axis`, as many as `source` has.
    pub fn slice_scatter(&self, source: &Tensor, axis: isize, start: usize, step: usize) -> Result<Tensor> {
        let axis = self.shape().axis(axis, "slice_scatter")?;
        let count = *source.shape().get(axis).unwrap_or(&0);
        let positions: Vec<i64> = (0..count).map(|i| (start + i * step) as i64).collect();
        self.try_index_copy(axis as isize, &Tensor::from_slice(&positions), source)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("slice_scatter", |a, x| {
        vec![x[0].slice_scatter(&x[1], a.integer("dim"), a.integer("start") as usize, a.integer("step") as usize)]
    })
}
