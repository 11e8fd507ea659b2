//! The image that transforms work on.

use hadal_core::{DType, Tensor};
use hadal_kernels::simd::{Vectorized, vectorized};

use crate::{Error, Pixels, Result};

/// Bytes to numbers from 0 to 1.
struct Scale<'a> {
    from: &'a [u8],
    to: &'a mut [f32],
}

impl Vectorized for Scale<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        self.to.iter_mut().zip(self.from).for_each(|(to, &from)| *to = f32::from(from) / 255.0);
    }
}

/// An image of `f32`; black is 0 and white is 1 until it is normalized.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// Number of channels: 1 for grey, 3 for red, green, blue.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// `[channels, height, width]`, row-major.
    pub values: Vec<f32>,
}

impl Picture {
    /// From `[channels, height, width]` of `u8` (0 to 255 become 0 to 1) or `f32` (taken as it is).
    ///
    /// # Errors
    /// When the tensor has another rank or type.
    pub fn from_tensor(image: &Tensor) -> Result<Picture> {
        let [channels, height, width] = image.shape()[..] else {
            let message = format!("a transform needs an image [channels, height, width], got {}", image.shape());
            return Err(Error::invalid(message));
        };
        let values = match image.dtype() {
            DType::U8 => image.to_vec::<u8>().into_iter().map(|value| f32::from(value) / 255.0).collect(),
            DType::F32 => image.to_vec(),
            other => return Err(Error::invalid(format!("a transform needs an image of u8 or f32, got {other}"))),
        };
        Ok(Picture { channels, height, width, values })
    }

    /// Becomes this image, 0 to 255 as 0 to 1, in the memory that it has.
    pub fn take(&mut self, image: &Pixels) {
        [self.channels, self.height, self.width] = image.shape;
        self.values.resize(image.bytes.len(), 0.0);
        vectorized(Scale { from: image.bytes, to: &mut self.values });
    }

    /// `[channels, height, width]` of `f32`.
    pub fn into_tensor(self) -> Tensor {
        Tensor::from_vec(self.values, [self.channels, self.height, self.width])
    }

    /// Each channel, `[height, width]`.
    pub fn planes(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact((self.height * self.width).max(1))
    }

    /// Each channel, `[height, width]`, to change.
    pub fn planes_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        self.values.chunks_exact_mut((self.height * self.width).max(1))
    }

    /// The same number of channels in another size; `value(plane, row, column)` gives each value.
    pub fn remake(&mut self, height: usize, width: usize, value: impl Fn(&[f32], usize, usize) -> f32) {
        let mut values = Vec::with_capacity(self.channels * height * width);
        for plane in self.planes() {
            for row in 0..height {
                values.extend((0..width).map(|column| value(plane, row, column)));
            }
        }
        (self.height, self.width, self.values) = (height, width, values);
    }

    /// Changes every value.
    pub fn map(&mut self, change: impl Fn(f32) -> f32) {
        self.values.iter_mut().for_each(|value| *value = change(*value));
    }

    /// The brightness of each pixel, `[height, width]`: ITU-R BT.601 luma of a colour image, the mean of any other.
    pub fn grey(&self) -> Vec<f32> {
        let weights = match self.channels {
            3 => vec![0.299, 0.587, 0.114],
            channels => vec![1.0 / channels as f32; channels],
        };
        let mut grey = vec![0.0; self.height * self.width];
        for (plane, weight) in self.planes().zip(weights) {
            grey.iter_mut().zip(plane).for_each(|(sum, value)| *sum += weight * value);
        }
        grey
    }
}
