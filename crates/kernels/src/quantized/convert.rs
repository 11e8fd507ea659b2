//! Numbers to bytes and back.

use super::finish::Quantizer;
use super::pitch;
use crate::simd::{Vectorized, vectorized};
use crate::threads::{SharedMut, for_chunks_mut, parallel_for};

/// Elements of a task of [`quantize_slice`].
const CHUNK: usize = 1 << 15;
/// Positions that are moved from channel to channel at once.
const POSITIONS: usize = 64;

/// Images, and zero points that are added around them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Border {
    /// Images.
    pub batch: usize,
    /// Channels.
    pub channels: usize,
    /// Depth, height and width, without a border.
    pub size: [usize; 3],
    /// Positions added before and behind, for each axis.
    pub added: [(usize, usize); 3],
}

impl Border {
    /// Depth, height and width of what is made.
    pub fn padded(&self) -> [usize; 3] {
        std::array::from_fn(|i| self.size[i] + self.added[i].0 + self.added[i].1)
    }

    fn positions(&self) -> usize {
        self.size.iter().product()
    }
}

/// `y = round(x · (1 / scale)) + zero`, ties to even, at least 0 and at most 255.
///
/// # Panics
/// If the slices differ in length.
#[track_caller]
pub fn quantize_slice(x: &[f32], scale: f32, zero: u8, y: &mut [u8]) {
    assert_eq!(x.len(), y.len(), "lengths of x and y");
    let quantizer = Quantizer::new(scale, zero);
    for_chunks_mut(y, CHUNK, |chunk, y| {
        let x = &x[chunk * CHUNK..][..y.len()];
        vectorized(Quantize { x, quantizer, y });
    });
}

struct Quantize<'a> {
    x: &'a [f32],
    quantizer: Quantizer,
    y: &'a mut [u8],
}

impl Vectorized for Quantize<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        self.y.iter_mut().zip(self.x).for_each(|(y, &x)| *y = self.quantizer.byte(x));
    }
}

/// Images of numbers `[batch, channels, depth, height, width]` as images of bytes, each byte as in [`quantize_slice`].
/// Bytes behind the last channel are zero points.
///
/// # Panics
/// If a slice does not have the images' length.
#[track_caller]
pub fn quantize_images(border: &Border, x: &[f32], scale: f32, zero: u8, y: &mut [u8]) {
    let (pitch, positions, padded) = (pitch(border.channels), border.positions(), border.padded());
    let whole = padded.iter().product::<usize>();
    let lengths = (border.batch * border.channels * positions, border.batch * whole * pitch);
    assert_eq!((x.len(), y.len()), lengths, "lengths of x and y: {border:?}");
    if x.is_empty() {
        return y.fill(zero);
    }
    let quantizer = Quantizer::new(scale, zero);
    if whole == 1 {
        // Rows of a dense layer.
        return for_chunks_mut(y, pitch, |image, y| {
            let (y, rest) = y.split_at_mut(border.channels);
            vectorized(Quantize { x: &x[image * border.channels..][..border.channels], quantizer, y });
            rest.fill(zero);
        });
    }
    // Without a border, the positions of an image are one line.
    let line = if padded == border.size { positions } else { border.size[2] };
    let planes = padded[0] * padded[1];
    let shared = SharedMut::new(y);
    let tasks = if line == positions { positions.div_ceil(POSITIONS) } else { planes };
    parallel_for(border.batch * tasks, |task| {
        let (image, part) = (task / tasks, task % tasks);
        let x = &x[image * border.channels * positions..][..border.channels * positions];
        if line == positions {
            let (start, end) = (part * POSITIONS, positions.min((part + 1) * POSITIONS));
            // SAFETY: tasks are different positions.
            let y = unsafe { shared.range((image * whole + start) * pitch..(image * whole + end) * pitch) };
            return vectorized(Together { x, from: start, positions, channels: border.channels, quantizer, zero, y });
        }
        let start = (image * planes + part) * padded[2] * pitch;
        // SAFETY: tasks are different lines.
        let y = unsafe { shared.range(start..start + padded[2] * pitch) };
        let z = (part / padded[1]).wrapping_sub(border.added[0].0);
        let row = (part % padded[1]).wrapping_sub(border.added[1].0);
        if z >= border.size[0] || row >= border.size[1] {
            return y.fill(zero);
        }
        let (before, rest) = y.split_at_mut(border.added[2].0 * pitch);
        let (y, behind) = rest.split_at_mut(line * pitch);
        before.fill(zero);
        behind.fill(zero);
        let from = (z * border.size[1] + row) * line;
        vectorized(Together { x, from, positions, channels: border.channels, quantizer, zero, y });
    });
}

/// Brings the channels of some neighbouring positions together.
struct Together<'a> {
    /// One image.
    x: &'a [f32],
    from: usize,
    positions: usize,
    channels: usize,
    quantizer: Quantizer,
    zero: u8,
    y: &'a mut [u8],
}

impl Vectorized for Together<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let pitch = pitch(self.channels);
        for (block, y) in self.y.chunks_mut(POSITIONS * pitch).enumerate() {
            let (from, count) = (self.from + block * POSITIONS, y.len() / pitch);
            for channel in 0..pitch {
                let mut bytes = [self.zero; POSITIONS];
                if channel < self.channels {
                    let x = &self.x[channel * self.positions + from..][..count];
                    bytes.iter_mut().zip(x).for_each(|(byte, &x)| *byte = self.quantizer.byte(x));
                }
                y[channel..].iter_mut().step_by(pitch).zip(bytes).for_each(|(y, byte)| *y = byte);
            }
        }
    }
}

/// Images of bytes as images of numbers `[batch, channels, positions]`: `(x − zero) · scale`.
///
/// # Panics
/// If a slice does not have the images' length.
#[track_caller]
pub fn dequantize_images([batch, channels, positions]: [usize; 3], x: &[u8], scale: f32, zero: u8, y: &mut [f32]) {
    let pitch = pitch(channels);
    let lengths = (batch * positions * pitch, batch * channels * positions);
    assert_eq!((x.len(), y.len()), lengths, "lengths of x and y");
    if y.is_empty() {
        return;
    }
    let zero = f32::from(zero);
    for_chunks_mut(y, positions, |plane, y| {
        let x = &x[plane / channels * positions * pitch + plane % channels..];
        y.iter_mut().zip(x.iter().step_by(pitch)).for_each(|(y, &x)| *y = (f32::from(x) - zero) * scale);
    });
}
