//! `movedim`: axes at other positions, the others keeping their order.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// With axis `source[i]` at position `destination[i]`; the other axes keep their order. A view.
    ///
    /// ```
    /// # use hadal_core::Tensor;
    /// assert_eq!(Tensor::zeros([2, 3, 4]).movedim(0, -1).shape()[..], [3, 4, 2]);
    /// ```
    pub fn movedim(&self, source: impl Into<Axes>, destination: impl Into<Axes>) -> Result<Tensor> {
        let source = source.into().in_order(self.shape(), "movedim")?;
        let destination = destination.into().in_order(self.shape(), "movedim")?;
        if source.len() != destination.len() {
            let message =
                format!("needs as many sources as destinations, got {} and {}", source.len(), destination.len());
            return Err(Error::op("movedim", message));
        }
        let mut rest = (0..self.rank()).filter(|axis| !source.contains(axis));
        let mut axis = |to: usize| match destination.iter().position(|&d| d == to) {
            Some(i) => source[i],
            None => rest.next().expect("as many axes as positions"),
        };
        let order: Vec<isize> = (0..self.rank()).map(|to| axis(to) as isize).collect();
        self.try_permute(order)
    }

    /// Another name of [`Tensor::transpose`]: axes `a` and `b` exchanged.
    pub fn swapaxes(&self, a: isize, b: isize) -> Result<Tensor> {
        self.try_transpose(a, b)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("movedim", |a, x| vec![x[0].movedim(a.axes("source"), a.axes("destination"))])
}
