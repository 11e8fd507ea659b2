//! `kron`: the Kronecker product.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// Every element of this tensor times the whole other one, as blocks: `[m, n]` by `[p, q]` gives `[m·p, n·q]`.
    /// The one of lower rank gets leading axes of size 1.
    pub fn kron(&self, other: &Tensor) -> Result<Tensor> {
        let rank = self.rank().max(other.rank());
        let sizes = |t: &Tensor| [vec![1; rank - t.rank()], t.shape().to_vec()].concat();
        let (a, b) = (sizes(self), sizes(other));
        // [m, 1, n, 1] · [1, p, 1, q]
        let wide = self.try_reshape(a.iter().flat_map(|&n| [n, 1]).collect::<Shape>())?;
        let fine = other.try_reshape(b.iter().flat_map(|&n| [1, n]).collect::<Shape>())?;
        wide.try_mul(fine)?.try_reshape(a.iter().zip(&b).map(|(a, b)| a * b).collect::<Shape>())
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("kron", |_, x| vec![x[0].kron(&x[1])])
}
