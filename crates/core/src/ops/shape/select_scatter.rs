//! `select_scatter`: one position along an axis replaced.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// This tensor with `source` at position `index` along `axis`: what `select` there would then return.
    pub fn select_scatter(&self, source: &Tensor, axis: isize, index: isize) -> Result<Tensor> {
        let axis = self.shape().axis(axis, "select_scatter")? as isize;
        let at = if index < 0 { index + self.size(axis) as isize } else { index };
        self.try_index_copy(axis, &Tensor::from([at as i64]), &source.try_unsqueeze(axis)?)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("select_scatter", |a, x| vec![x[0].select_scatter(&x[1], a.integer("dim"), a.integer("index"))])
}
