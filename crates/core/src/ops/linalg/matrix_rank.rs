//! `matrix_rank`: how many columns are independent.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The number (`i64`) of singular values above max(m, n)·ε of the largest, for matrices `[…, m, n]`, ε being that of
    /// this tensor's type.
    pub fn matrix_rank(&self) -> Result<Tensor> {
        let values = self.try_svdvals()?;
        let epsilon = if self.dtype() == DType::F64 { f64::EPSILON } else { f32::EPSILON as f64 };
        if values.size(-1) == 0 {
            return values.try_count_nonzero(-1);
        }
        let limit = values.try_narrow(-1, 0, 1)?.try_mul(self.size(-1).max(self.size(-2)) as f64 * epsilon)?;
        values.try_gt(limit)?.try_count_nonzero(-1)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("matrix_rank", |_, x| vec![x[0].matrix_rank()])
}
