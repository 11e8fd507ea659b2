//! What becomes of the sums: scaled, added to, bounded, and written as numbers or as bytes.

use super::pitch;
use super::tile::{LANES, Way};
use crate::threads::SharedMut;

/// What the bytes of `x` stand for.
#[derive(Clone, Copy, Debug)]
pub enum InputScale<'a> {
    /// `scale · (x − zero)` for all elements.
    One(f32, u8),
    /// The same with a scale and a zero point for each image, or row of a dense layer; only without padding.
    Each(&'a [f32], &'a [u8]),
}

/// Bytes that are added to the results before they are bounded: `scale · (value − zero)`, laid out as `y` in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Residual<'a> {
    /// As many as `y` has, where it is bytes.
    pub values: &'a [u8],
    /// What a step of the bytes stands for.
    pub scale: f32,
    /// The byte that stands for 0.
    pub zero: u8,
}

/// What is done to exact sums, in this order, each operation rounded by itself:
/// `(sum − zero·sums) · (x scale · weight scale) + bias + residual`, bounded.
#[derive(Clone, Copy, Debug)]
pub struct Finish<'a> {
    /// What the bytes of `x` stand for.
    pub x: InputScale<'a>,
    /// What a step of the weight stands for, for each output channel.
    pub weight: &'a [f32],
    /// The sums of the weight, of [`pack`](super::pack).
    pub sums: &'a [i32],
    /// One value per output channel.
    pub bias: Option<&'a [f32]>,
    /// Another result that is added.
    pub residual: Option<Residual<'a>>,
    /// What is below the first is replaced by it, what is above the second by that: `(0, ∞)` is ReLU.
    pub bounds: Option<(f32, f32)>,
}

/// Where results go.
#[derive(Debug)]
pub enum QuantizedOutput<'a> {
    /// Numbers, `[batch, channels, depth, height, width]`.
    Numbers(&'a mut [f32]),
    /// Bytes: `round(y · (1 / scale)) + zero`, ties to even, at least 0 and at most 255.
    Bytes(&'a mut [u8], f32, u8),
}

/// [`QuantizedOutput`] for several tasks.
pub(super) enum To<'a> {
    Numbers(SharedMut<'a, f32>),
    Bytes(SharedMut<'a, u8>, Quantizer),
}

impl<'a> To<'a> {
    pub fn new(y: QuantizedOutput<'a>) -> To<'a> {
        match y {
            QuantizedOutput::Numbers(y) => To::Numbers(SharedMut::new(y)),
            QuantizedOutput::Bytes(y, scale, zero) => To::Bytes(SharedMut::new(y), Quantizer::new(scale, zero)),
        }
    }
}

/// Makes bytes of numbers.
#[derive(Clone, Copy)]
pub(super) struct Quantizer {
    inverse: f32,
    zero: f32,
}

impl Quantizer {
    pub fn new(scale: f32, zero: u8) -> Quantizer {
        Quantizer { inverse: 1.0 / scale, zero: f32::from(zero) }
    }

    /// The byte nearest to `x`; NaN becomes 0.
    #[inline(always)]
    pub fn byte(self, x: f32) -> u8 {
        let q = (x * self.inverse).round_ties_even() + self.zero;
        let q = if q > 0.0 { q } else { 0.0 };
        let q = if q < 255.0 { q } else { 255.0 };
        // SAFETY: at least 0 and at most 255.
        (unsafe { q.to_int_unchecked::<i32>() }) as u8
    }
}

/// Some rows and columns of sums.
pub(super) struct Block<'a> {
    pub finish: &'a Finish<'a>,
    /// `rows` rows of sums, `stride` apart.
    pub sums: &'a [i32],
    pub stride: usize,
    pub rows: usize,
    /// The first position, counted through all images.
    pub position: usize,
    /// Positions of an image.
    pub positions: usize,
    /// The first output channel, and the one behind the last.
    pub channels: std::ops::Range<usize>,
    /// Output channels of a position.
    pub all: usize,
}

/// Sixteen values of a slice from `at` on; zeros past its end.
#[inline(always)]
fn lanes<T: Copy + Default>(x: &[T], at: usize) -> [T; LANES] {
    let mut lanes = [T::default(); LANES];
    match x.get(at..at + LANES) {
        Some(x) => lanes.copy_from_slice(x),
        None => lanes[..x.len() - at].copy_from_slice(&x[at..]),
    }
    lanes
}

impl Block<'_> {
    /// Finishes and writes.
    ///
    /// # Safety
    /// Nobody else uses the block's part of the output; a way other than the plain one was made for this machine.
    pub unsafe fn write(&self, way: Way, to: &To) {
        // SAFETY: the caller's promises.
        unsafe {
            match way {
                #[cfg(target_arch = "x86_64")]
                Way::Vnni => self.write_avx512(to),
                #[cfg(target_arch = "x86_64")]
                Way::Avx2 => self.write_avx2(to),
                Way::Plain => self.write_lanes(to),
            }
        }
    }

    /// # Safety
    /// As `write`; the machine has these instructions.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
    unsafe fn write_avx512(&self, to: &To) {
        // SAFETY: the caller's promises.
        unsafe { self.write_lanes(to) }
    }

    /// # Safety
    /// As `write`; the machine has these instructions.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    unsafe fn write_avx2(&self, to: &To) {
        // SAFETY: the caller's promises.
        unsafe { self.write_lanes(to) }
    }

    /// # Safety
    /// As `write`.
    #[inline(always)]
    unsafe fn write_lanes(&self, to: &To) {
        let Finish { x, weight, sums, bias, residual, bounds } = *self.finish;
        let pitch = pitch(self.all);
        for channel in self.channels.clone().step_by(LANES) {
            let (weight, sums) = (lanes(weight, channel), lanes(sums, channel));
            let bias = bias.map(|bias| lanes(bias, channel));
            let count = LANES.min(self.channels.end - channel);
            for row in 0..self.rows {
                let position = self.position + row;
                let (scale, zero) = match x {
                    InputScale::One(scale, zero) => (scale, i32::from(zero)),
                    InputScale::Each(scales, zeros) => {
                        let image = position / self.positions;
                        (scales[image], i32::from(zeros[image]))
                    }
                };
                let given: [i32; LANES] = lanes(self.sums, row * self.stride + channel - self.channels.start);
                let mut y = [0.0; LANES];
                for j in 0..LANES {
                    y[j] = given[j].wrapping_sub(zero.wrapping_mul(sums[j])) as f32 * (scale * weight[j]);
                }
                if let Some(bias) = bias {
                    (0..LANES).for_each(|j| y[j] += bias[j]);
                }
                if let Some(residual) = residual {
                    let values: [u8; LANES] = lanes(residual.values, position * pitch + channel);
                    let zero = f32::from(residual.zero);
                    (0..LANES).for_each(|j| y[j] += (f32::from(values[j]) - zero) * residual.scale);
                }
                if let Some((low, high)) = bounds {
                    for y in &mut y {
                        let x = if *y < low { low } else { *y };
                        *y = if x > high { high } else { x };
                    }
                }
                match to {
                    To::Numbers(to) => {
                        let (image, place) = (position / self.positions, position % self.positions);
                        let start = (image * self.all + channel) * self.positions + place;
                        for (j, &y) in y.iter().enumerate().take(count) {
                            let at = start + j * self.positions;
                            // SAFETY: the caller's promise.
                            unsafe { to.range(at..at + 1)[0] = y };
                        }
                    }
                    To::Bytes(to, quantizer) => {
                        let mut bytes = [0; LANES];
                        (0..LANES).for_each(|j| bytes[j] = quantizer.byte(y[j]));
                        let start = position * pitch + channel;
                        // The bytes behind the last channel are written too.
                        let count = LANES.min(pitch - channel);
                        // SAFETY: the caller's promise.
                        unsafe { to.range(start..start + count) }.copy_from_slice(&bytes[..count]);
                    }
                }
            }
        }
    }
}
