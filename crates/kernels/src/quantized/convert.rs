//! Numbers to bytes and back.

use super::finish::nearest_byte;
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

/// `y = round(x / scale) + zero`, ties to even, at least 0 and at most 255; NaN becomes 0.
///
/// # Panics
/// If the slices differ in length.
#[track_caller]
pub fn quantize_slice(x: &[f32], scale: f32, zero: u8, y: &mut [u8]) {
    assert_eq!(x.len(), y.len(), "lengths of x and y");
    let byte = quantizer(scale, zero);
    for_chunks_mut(y, CHUNK, |chunk, y| {
        let x = &x[chunk * CHUNK..][..y.len()];
        vectorized(Each { x, byte, y });
    });
}

/// How numbers become bytes.
fn quantizer(scale: f32, zero: u8) -> impl Fn(f32) -> u8 + Copy + Sync {
    let zero = f32::from(zero);
    move |x| nearest_byte(x / scale, zero)
}

/// Elements that become bytes where they stand.
struct Each<'a, T, F> {
    x: &'a [T],
    byte: F,
    y: &'a mut [u8],
}

impl<T: Copy, F: Fn(T) -> u8> Vectorized for Each<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        self.y.iter_mut().zip(self.x).for_each(|(y, &x)| *y = (self.byte)(x));
    }
}

/// Images of numbers `[batch, channels, depth, height, width]` as images of bytes, each byte as in [`quantize_slice`].
/// Bytes behind the last channel are zero points.
///
/// # Panics
/// If a slice does not have the images' length.
#[track_caller]
pub fn quantize_images(border: &Border, x: &[f32], scale: f32, zero: u8, y: &mut [u8]) {
    together(border, x, quantizer(scale, zero), zero, y);
}

/// Bytes `[batch, channels, depth, height, width]` as images of bytes, each byte with the bits of `flip` turned over:
/// `0x80` makes unsigned bytes of signed ones, 128 steps higher. Bytes around the images and behind the last channel are
/// `zero`.
///
/// # Panics
/// If a slice does not have the images' length.
#[track_caller]
pub fn pack_images(border: &Border, x: &[u8], flip: u8, zero: u8, y: &mut [u8]) {
    together(border, x, move |byte| byte ^ flip, zero, y);
}

/// Makes bytes of images, and brings the channels of each position together.
#[track_caller]
fn together<T: Copy + Sync>(border: &Border, x: &[T], byte: impl Fn(T) -> u8 + Copy + Sync, zero: u8, y: &mut [u8]) {
    let (pitch, positions, padded) = (pitch(border.channels), border.positions(), border.padded());
    let whole = padded.iter().product::<usize>();
    let lengths = (border.batch * border.channels * positions, border.batch * whole * pitch);
    assert_eq!((x.len(), y.len()), lengths, "lengths of x and y: {border:?}");
    if x.is_empty() {
        return y.fill(zero);
    }
    if whole == 1 {
        // Rows of a dense layer.
        return for_chunks_mut(y, pitch, |image, y| {
            let (y, rest) = y.split_at_mut(border.channels);
            vectorized(Each { x: &x[image * border.channels..][..border.channels], byte, y });
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
            return vectorized(Together { x, from: start, positions, channels: border.channels, byte, zero, y });
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
        vectorized(Together { x, from, positions, channels: border.channels, byte, zero, y });
    });
}

/// Brings the channels of some neighbouring positions together.
struct Together<'a, T, F> {
    /// One image.
    x: &'a [T],
    from: usize,
    positions: usize,
    channels: usize,
    byte: F,
    zero: u8,
    y: &'a mut [u8],
}

impl<T: Copy, F: Fn(T) -> u8> Vectorized for Together<'_, T, F> {
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
                    bytes.iter_mut().zip(x).for_each(|(to, &x)| *to = (self.byte)(x));
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
pub fn dequantize_images(sizes: [usize; 3], x: &[u8], scale: f32, zero: u8, y: &mut [f32]) {
    let zero = f32::from(zero);
    apart(sizes, x, y, |byte| (f32::from(byte) - zero) * scale);
}

/// Images of bytes as bytes `[batch, channels, positions]`, with the bits of `flip` turned over: the opposite of
/// [`pack_images`].
///
/// # Panics
/// If a slice does not have the images' length.
#[track_caller]
pub fn unpack_images(sizes: [usize; 3], x: &[u8], flip: u8, y: &mut [u8]) {
    apart(sizes, x, y, |byte| byte ^ flip);
}

/// Takes the channels of images of bytes apart.
#[track_caller]
fn apart<T: Send>([batch, channels, positions]: [usize; 3], x: &[u8], y: &mut [T], f: impl Fn(u8) -> T + Sync) {
    let pitch = pitch(channels);
    let lengths = (batch * positions * pitch, batch * channels * positions);
    assert_eq!((x.len(), y.len()), lengths, "lengths of x and y");
    if y.is_empty() {
        return;
    }
    for_chunks_mut(y, positions, |plane, y| {
        let x = &x[plane / channels * positions * pitch + plane % channels..];
        y.iter_mut().zip(x.iter().step_by(pitch)).for_each(|(y, &x)| *y = f(x));
    });
}

/// A type of bytes that stand for numbers.
pub trait QuantizedByte: Copy {
    /// The least and the largest byte.
    const RANGE: (f32, f32);
    /// The byte that is a whole number within the range.
    fn of(whole: i32) -> Self;
    /// The byte as a whole number.
    fn whole(self) -> i32;
}

impl QuantizedByte for u8 {
    const RANGE: (f32, f32) = (0.0, 255.0);

    #[inline(always)]
    fn of(whole: i32) -> u8 {
        whole as u8
    }

    #[inline(always)]
    fn whole(self) -> i32 {
        i32::from(self)
    }
}

impl QuantizedByte for i8 {
    const RANGE: (f32, f32) = (-128.0, 127.0);

    #[inline(always)]
    fn of(whole: i32) -> i8 {
        whole as i8
    }

    #[inline(always)]
    fn whole(self) -> i32 {
        i32::from(self)
    }
}

/// `y = round(x / scale) + zero`, ties to even, within the bytes' range, for elements with a scale and a zero point each;
/// NaN becomes the least byte.
///
/// # Panics
/// If the slices differ in length.
#[track_caller]
pub fn quantize_each<B: QuantizedByte>(x: &[f32], scale: &[f32], zero: &[B], y: &mut [B]) {
    assert_eq!([x.len(), scale.len(), zero.len()], [y.len(); 3], "lengths of x, scale and zero");
    vectorized(Quantize { x, scale, zero, y });
}

struct Quantize<'a, B> {
    x: &'a [f32],
    scale: &'a [f32],
    zero: &'a [B],
    y: &'a mut [B],
}

impl<B: QuantizedByte> Vectorized for Quantize<'_, B> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let (least, largest) = B::RANGE;
        for (((y, &x), &scale), &zero) in self.y.iter_mut().zip(self.x).zip(self.scale).zip(self.zero) {
            let q = (x / scale).round_ties_even() + zero.whole() as f32;
            let q = if q > least { q } else { least };
            let q = if q < largest { q } else { largest };
            // SAFETY: within the range of a byte.
            *y = B::of(unsafe { q.to_int_unchecked() });
        }
    }
}

/// `y = (x − zero) · scale`, for elements with a scale and a zero point each.
///
/// # Panics
/// If the slices differ in length.
#[track_caller]
pub fn dequantize_each<B: QuantizedByte>(x: &[B], scale: &[f32], zero: &[B], y: &mut [f32]) {
    assert_eq!([x.len(), scale.len(), zero.len()], [y.len(); 3], "lengths of x, scale and zero");
    vectorized(Dequantize { x, scale, zero, y });
}

struct Dequantize<'a, B> {
    x: &'a [B],
    scale: &'a [f32],
    zero: &'a [B],
    y: &'a mut [f32],
}

impl<B: QuantizedByte> Vectorized for Dequantize<'_, B> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (((y, &x), &scale), &zero) in self.y.iter_mut().zip(self.x).zip(self.scale).zip(self.zero) {
            *y = (x.whole() - zero.whole()) as f32 * scale;
        }
    }
}
