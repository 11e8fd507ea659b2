//! `eigvalsh`: the eigenvalues of symmetric matrices.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The eigenvalues of [`Tensor::eigh`] alone; their gradient is finite even where they are equal.
    pub fn eigvalsh(&self) -> Result<Tensor> {
        Ok(self.try_eigh()?.0)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("eigvalsh", |_, x| vec![x[0].add(x[0].t()).mul(0.5).eigvalsh()])
}
