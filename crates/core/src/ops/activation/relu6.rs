//! `relu6`: `min(max(x, 0), 6)`, element by element (Howard et al. 2017).

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// `min(max(self, 0), 6)`. The derivative at 0 and 6 is 0.
    pub fn relu6(&self) -> Result<Tensor> {
        self.try_clamp(0, 6)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("relu6", |_, x| vec![x[0].relu6()])
}
