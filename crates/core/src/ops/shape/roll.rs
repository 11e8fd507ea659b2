//! `roll`: elements shifted along an axis, those pushed out coming in at the other end.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// Shifted by `shift` positions along `axis`, cyclically; negative shifts go towards the front.
    ///
    /// ```
    /// # use hadal_core::Tensor;
    /// assert_eq!(Tensor::from([1.0f32, 2.0, 3.0]).roll(1, 0).to_vec::<f32>(), [3.0, 1.0, 2.0]);
    /// ```
    pub fn roll(&self, shift: isize, axis: isize) -> Result<Tensor> {
        let axis = self.shape().axis(axis, "roll")?;
        let size = self.shape()[axis];
        let shift = if size == 0 { 0 } else { shift.rem_euclid(size as isize) as usize };
        if shift == 0 {
            return Ok(self.clone());
        }
        let (front, back) = (self.stepped(axis, 0, 1, size - shift)?, self.stepped(axis, size - shift, 1, shift)?);
        Tensor::try_cat(&[back, front], axis as isize)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("roll", |a, x| {
        let shifts = a.integers("shifts");
        if a.get("dims").is_none() {
            return vec![x[0].ravel().roll(shifts[0], 0).reshape(x[0].shape())];
        }
        vec![shifts.iter().zip(a.integers("dims")).fold(x[0].clone(), |x, (&shift, axis)| x.roll(shift, axis))]
    })
}
