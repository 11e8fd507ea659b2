//! The largest bytes of windows: as bytes keep the order of what they stand for, the scale and zero point stay.

use super::{pitch, x_len, y_len};
use crate::conv::ConvShape;
use crate::simd::{Vectorized, vectorized};
use crate::threads::for_chunks_mut;

/// Output bytes worth a task.
const TASK: usize = 1 << 14;

/// The largest byte of each window and channel, padding left out; 0 where a window holds nothing else.
///
/// The windows are those of a convolution, whose input and output channels are the same.
///
/// # Panics
/// If a slice does not have the shape's length.
#[track_caller]
pub fn max_pool(shape: &ConvShape, x: &[u8], y: &mut [u8]) {
    assert_eq!(shape.in_channels, shape.out_channels, "pooling keeps the channels");
    assert_eq!((x.len(), y.len()), (x_len(shape), y_len(shape)), "lengths of x and y: {shape:?}");
    let line = shape.output[2] * pitch(shape.out_channels);
    if y.is_empty() {
        return;
    }
    let lines = TASK.div_ceil(line);
    for_chunks_mut(y, lines * line, |chunk, y| {
        vectorized(Lines { shape, first: chunk * lines, x, y });
    });
}

/// Some lines of the output.
struct Lines<'a> {
    shape: &'a ConvShape,
    first: usize,
    x: &'a [u8],
    y: &'a mut [u8],
}

impl Vectorized for Lines<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let ConvShape { input, kernel, output, stride, pad_begin, dilation, .. } = *self.shape;
        let pitch = pitch(self.shape.in_channels);
        // Outside of the image this wraps around to something large.
        let place = |i: usize, at: usize, k: usize| (at * stride[i] + k * dilation[i]).wrapping_sub(pad_begin[i]);
        for (i, y) in self.y.chunks_exact_mut(output[2] * pitch).enumerate() {
            let line = self.first + i;
            let (image, at_z, at_y) = (line / output[1] / output[0], line / output[1] % output[0], line % output[1]);
            y.fill(0);
            for element in 0..kernel[0] * kernel[1] {
                let z = place(0, at_z, element / kernel[1]);
                let row = place(1, at_y, element % kernel[1]);
                if z >= input[0] || row >= input[1] {
                    continue;
                }
                let x = &self.x[((image * input[0] + z) * input[1] + row) * input[2] * pitch..][..input[2] * pitch];
                for (at, y) in y.chunks_exact_mut(pitch).enumerate() {
                    for k in 0..kernel[2] {
                        let column = place(2, at, k);
                        if column < input[2] {
                            let x = &x[column * pitch..][..pitch];
                            y.iter_mut().zip(x).for_each(|(y, &x)| *y = (*y).max(x));
                        }
                    }
                }
            }
        }
    }
}
