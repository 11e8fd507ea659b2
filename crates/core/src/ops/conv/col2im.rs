//! `col2im`: columns summed back into images, `F.fold` of PyTorch; the adjoint of `im2col`.

use super::convolution::Convolution;
use super::im2col::{padding, recorded, windows};
use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// Images of the given height and width in which every element is the sum of those of the windows that
    /// reach it: `[batch, channels · kernel, windows]` becomes `[batch, channels, height, width]`.
    pub fn col2im(&self, [h, w]: [usize; 2], kernel: [usize; 2], options: &Convolution) -> Result<Tensor> {
        let area = kernel[0] * kernel[1];
        let columns = match self.shape()[..] {
            [n, rows, columns] if area > 0 && rows.is_multiple_of(area) => Some((n, rows / area, columns)),
            _ => None,
        };
        let layout = columns.map(|(n, c, _)| windows("col2im", [n, c, h, w], kernel, options)).transpose()?;
        let Some(((n, c, columns), (padded, windows))) = columns.zip(layout) else {
            let message = format!("needs columns [batch, channels · {area}, windows], got {}", self.shape());
            return Err(Error::op("col2im", message));
        };
        let sizes = &windows.shape;
        if sizes[4] * sizes[5] != columns {
            let message = format!("needs {} · {} windows for images of {h} × {w}, got {columns}", sizes[4], sizes[5]);
            return Err(Error::op("col2im", message));
        }
        let sums = self.try_reshape([n, c, kernel[0], kernel[1], sizes[4], sizes[5]])?.place(&padded.into(), windows);
        let [(top, _), (left, _)] = padding("col2im", kernel, options)?;
        sums.try_narrow(2, top, h)?.try_narrow(3, left, w)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("col2im", |a, x| {
        let (kernel, options) = recorded(a);
        vec![x[0].col2im(a.sizes("output_size").try_into().expect("two sizes"), kernel, &options)]
    })
}
