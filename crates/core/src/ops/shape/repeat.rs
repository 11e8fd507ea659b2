//! `repeat`: the whole tensor several times along each axis.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// This tensor `times[i]` times along axis `i`; more numbers than axes make new leading axes.
    ///
    /// ```
    /// # use hadal_core::Tensor;
    /// assert_eq!(Tensor::from([1.0f32, 2.0]).repeat([2]).to_vec::<f32>(), [1.0, 2.0, 1.0, 2.0]);
    /// ```
    pub fn repeat(&self, times: impl AsRef<[usize]>) -> Result<Tensor> {
        let times = times.as_ref();
        let Some(new) = times.len().checked_sub(self.rank()) else {
            let message = format!("needs a number for each axis of {}, got {times:?}; see tile", self.shape());
            return Err(Error::op("repeat", message));
        };
        let size = |axis: usize| if axis < new { 1 } else { self.shape()[axis - new] };
        let pairs = |first: &dyn Fn(usize) -> usize| -> Shape {
            (0..times.len()).flat_map(|axis| [first(axis), size(axis)]).collect()
        };
        let repeated: Shape = (0..times.len()).map(|axis| times[axis] * size(axis)).collect();
        self.try_reshape(pairs(&|_| 1))?.try_expand(pairs(&|axis| times[axis]))?.try_reshape(repeated)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("repeat", |a, x| vec![x[0].repeat(a.sizes("repeats"))])
}
