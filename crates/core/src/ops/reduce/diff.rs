//! `diff`: the differences of neighbours.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// Element `i + 1` less element `i` along `axis`, which loses one element; the whole `times` times.
    pub fn diff(&self, times: usize, axis: isize) -> Result<Tensor> {
        let at = self.shape().axis(axis, "diff")? as isize;
        let mut x = self.clone();
        for _ in 0..times {
            let left = x.size(at).saturating_sub(1);
            let (before, after) = (x.try_narrow(at, 0, left)?, x.try_narrow(at, x.size(at) - left, left)?);
            x = if x.dtype() == DType::Bool { after.try_ne(before)? } else { after.try_sub(before)? };
        }
        Ok(x)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("diff", |a, x| vec![x[0].diff(a.integer("n") as usize, a.integer("dim"))])
}
