//! `im2col`: the windows of images as columns, `F.unfold` of PyTorch.

use super::convolution::Convolution;
use crate::Border;
use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The windows that a convolution with this kernel sees, as columns: `[batch, channels, height, width]`
    /// becomes `[batch, channels · kernel, windows]`. A convolution is a matrix product with this.
    pub fn im2col(&self, kernel: [usize; 2], options: &Convolution) -> Result<Tensor> {
        let &[n, c, h, w] = &self.shape()[..] else {
            let message = format!("needs images [batch, channels, height, width], got {}", self.shape());
            return Err(Error::op("im2col", message));
        };
        let (padded, windows) = windows("im2col", [n, c, h, w], kernel, options)?;
        let padding = padding("im2col", kernel, options)?;
        let x = self.try_pad(padding.map(|(before, after)| (before as isize, after as isize)), Border::ZEROS)?;
        debug_assert_eq!(*x.shape(), padded);
        let sizes = &windows.shape;
        x.look(&windows).try_reshape([n, c * kernel[0] * kernel[1], sizes[4] * sizes[5]])
    }
}

/// Zeros before and after the height and the width.
pub(crate) fn padding(op: &'static str, kernel: [usize; 2], options: &Convolution) -> Result<[(usize, usize); 2]> {
    let axes = options.axes(op, &kernel)?;
    Ok([axes[0].pad, axes[1].pad])
}

/// The shape of the padded images, and where over them `[n, c, kernel height, kernel width, windows down, windows
/// across]` lies.
pub(crate) fn windows(
    op: &'static str,
    [n, c, h, w]: [usize; 4],
    kernel: [usize; 2],
    options: &Convolution,
) -> Result<([usize; 4], Layout)> {
    let axes = options.axes(op, &kernel)?;
    let padded = [n, c, h + axes[0].pad.0 + axes[0].pad.1, w + axes[1].pad.0 + axes[1].pad.1];
    let mut layout = Layout::contiguous(padded);
    for (i, axis) in axes.iter().enumerate() {
        let span = axis.reach() + 1;
        if span > padded[2 + i] {
            let message =
                format!("got a kernel that spans {span} for a padded size of {} (axis {})", padded[2 + i], 2 + i);
            return Err(Error::op(op, message));
        }
        layout = layout.windows(2 + i, span, axis.stride).slice(4 + i, 0, axis.dilation as isize, axis.kernel);
    }
    Ok((padded, layout.permute(&[0, 1, 4, 5, 2, 3])))
}

pub(crate) fn recorded(a: &crate::testing::Attributes) -> ([usize; 2], Convolution) {
    let options = Convolution::new().stride(a.sizes("stride")).dilation(a.sizes("dilation"));
    let kernel = a.sizes("kernel_size");
    let options = options.padding(&a.sizes("padding")[..]);
    ([kernel[0], *kernel.last().expect("a size")], options)
}

pub(crate) fn cases() -> Cases {
    Cases::new("im2col", |a, x| {
        let (kernel, options) = recorded(a);
        vec![x[0].im2col(kernel, &options)]
    })
}
