//! `irfft`: real numbers from one half of their Fourier transform.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The inverse of [`Tensor::rfft`]: `size` real numbers along `axis` from size/2 + 1 complex ones, which are pairs
    /// in the last axis (`axis` does not count it). The imaginary parts that would have to be zero are not looked at.
    pub fn irfft(&self, size: usize, axis: isize) -> Result<Tensor> {
        let Some((&2, outer)) = self.shape().split_last() else {
            return Err(Error::op("irfft", format!("needs complex numbers […, 2], got shape {}", self.shape())));
        };
        let axis = Shape::from(outer).axis(axis, "irfft")? as isize;
        let half = self.size(axis);
        if size == 0 || size / 2 + 1 != half {
            let (even, odd) = (half.saturating_sub(1) * 2, half.saturating_sub(1) * 2 + 1);
            let message = format!("gives {even} or {odd} numbers of {half} (shape {}), not {size}", self.shape());
            return Err(Error::op("irfft", message));
        }
        let signs = Tensor::from([1i64, -1]);
        let mirrored = self.try_narrow(axis, 1, size - half)?.try_flip(axis)?.try_mul(&signs)?;
        Tensor::try_cat(&[self, &mirrored], axis)?.try_ifft(axis)?.try_select(-1, 0)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("irfft", |a, x| vec![x[0].irfft(a.integer("n") as usize, a.integer("dim"))])
}
