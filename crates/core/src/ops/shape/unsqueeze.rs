//! `unsqueeze`: with a new axis of size 1.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// With an axis of size 1 that becomes axis number `axis` of the result. A view.
    pub fn unsqueeze(&self, axis: isize) -> Result<Tensor> {
        let rank = self.rank() as isize;
        let at = if axis < 0 { axis + rank + 1 } else { axis };
        if !(0..=rank).contains(&at) {
            let message =
                format!("got axis {axis} for shape {}: a new axis can be {} to {rank}", self.shape(), -rank - 1);
            return Err(Error::op("unsqueeze", message));
        }
        let mut shape = self.shape().clone();
        shape.sizes_mut().insert(at as usize, 1);
        self.try_reshape(shape)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("unsqueeze", |a, x| vec![x[0].unsqueeze(a.integer("dim"))])
}
