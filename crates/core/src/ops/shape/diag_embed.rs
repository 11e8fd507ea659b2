//! `diag_embed`: vectors as the diagonals of matrices, the adjoint of `diagonal`.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// Square matrices, in axes `a` and `b` of the result, that have the last axis of this tensor on the
    /// diagonal `[i, i + offset]` and zeros elsewhere.
    pub fn diag_embed(&self, offset: isize, a: isize, b: isize) -> Result<Tensor> {
        let Some((&last, rest)) = self.shape().split_last() else {
            return Err(Error::op("diag_embed", "needs a vector or more, got a scalar"));
        };
        let size = last + offset.unsigned_abs();
        let rank = self.rank() + 1;
        let axes = Axes::from([a, b]).in_order(&vec![size; rank].into(), "diag_embed")?;
        let mut rest = rest.iter().copied();
        let size = |axis| if axes.contains(&axis) { size } else { rest.next().expect("one size per other axis") };
        let shape: Shape = (0..rank).map(size).collect();
        let layout = Layout::contiguous(&shape).diagonal(offset, axes[0], axes[1]);
        Ok(self.place(&shape, layout))
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("diag_embed", |a, x| vec![x[0].diag_embed(a.integer("offset"), a.integer("dim1"), a.integer("dim2"))])
}
