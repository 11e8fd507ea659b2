//! `rot90`: quarter turns in the plane of two axes.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// Turned `turns` times by 90 degrees, from the first axis towards the second; negative turns go back. A view.
    pub fn rot90(&self, turns: isize, [first, second]: [isize; 2]) -> Result<Tensor> {
        Axes::from([first, second]).resolve(self.shape(), "rot90")?;
        match turns.rem_euclid(4) {
            0 => Ok(self.clone()),
            1 => self.try_flip(second)?.try_transpose(first, second),
            2 => self.try_flip([first, second]),
            _ => self.try_flip(first)?.try_transpose(first, second),
        }
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("rot90", |a, x| vec![x[0].rot90(a.integer("k"), a.integers("dims").try_into().expect("two axes"))])
}
