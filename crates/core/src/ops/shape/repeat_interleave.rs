//! `repeat_interleave`: every element several times in a row.

use crate::ops::prelude::*;
use crate::run::bounds;

#[fallible]
impl Tensor {
    /// Every position along `axis` `times` times, one after another: `[a, b]` becomes `[a, a, b, b]`.
    pub fn repeat_interleave(&self, times: usize, axis: isize) -> Result<Tensor> {
        let axis = self.shape().axis(axis, "repeat_interleave")?;
        let mut shape = self.shape().clone();
        shape.sizes_mut().insert(axis + 1, times);
        let repeated = self.try_unsqueeze(axis as isize + 1)?.try_expand(&shape)?;
        shape.sizes_mut().remove(axis + 1);
        shape.sizes_mut()[axis] *= times;
        repeated.try_reshape(shape)
    }

    /// Position `i` along `axis` `times[i]` times, for a vector of integers `times`.
    pub fn repeat_interleave_each(&self, times: &Tensor, axis: isize) -> Result<Tensor> {
        let at = self.shape().axis(axis, "repeat_interleave")?;
        let counts = bounds::integers("repeat_interleave", times)?.try_to_vec::<i64>()?;
        let size = self.shape()[at];
        if counts.len() != size || counts.iter().any(|&n| n < 0) {
            let message = format!(
                "needs {size} numbers of at least 0 (axis {at} of {}), got {} numbers, the least being {}",
                self.shape(),
                counts.len(),
                counts.iter().min().unwrap_or(&0)
            );
            return Err(Error::op("repeat_interleave", message));
        }
        let index = counts.iter().enumerate().flat_map(|(i, &n)| std::iter::repeat_n(i as i64, n as usize));
        self.try_index_select(axis, &Tensor::from_slice(&index.collect::<Vec<_>>()))
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("repeat_interleave", |a, x| {
        vec![match (x, a.get("dim")) {
            ([x, times], _) => x.repeat_interleave_each(times, a.integer("dim")),
            (_, Some(_)) => x[0].repeat_interleave(a.integer("repeats") as usize, a.integer("dim")),
            (_, None) => x[0].ravel().repeat_interleave(a.integer("repeats") as usize, 0),
        }]
    })
    .reading_elements(&["per_entry"])
}
