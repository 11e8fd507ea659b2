//! `rfft`: the discrete Fourier transform of real numbers.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The first n/2 + 1 elements of the transform along `axis` of n real numbers, as pairs of real and imaginary part
    /// in a new last axis of size 2; the others are their conjugates.
    ///
    /// ```
    /// # use hadal_core::Tensor;
    /// let wave = Tensor::from([1.0f32, 0.0, -1.0, 0.0]); // cos(2π·j/4)
    /// assert_eq!(wave.rfft(0).select(-1, 0).to_vec::<f32>(), [0.0, 2.0, 0.0]);
    /// ```
    pub fn rfft(&self, axis: isize) -> Result<Tensor> {
        let axis = self.shape().axis(axis, "rfft")? as isize;
        let x = self.floating()?;
        let spectrum = Tensor::try_stack(&[&x, &x.zeros_like()], -1)?.try_fft(axis)?;
        spectrum.try_narrow(axis, 0, if self.size(axis) == 0 { 0 } else { self.size(axis) / 2 + 1 })
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("rfft", |a, x| vec![x[0].rfft(a.integer("dim"))])
}
