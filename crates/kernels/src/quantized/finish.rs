//! What becomes of the sums: scaled, added to, bounded, and written as numbers or as bytes.

use super::pitch;
use super::tile::{LANES, PANEL, Way};
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
/// `(sum − zero·sums + whole bias) · (x scale · weight scale) + bias + residual`, bounded.
#[derive(Clone, Copy, Debug)]
pub struct Finish<'a> {
    /// What the bytes of `x` stand for.
    pub x: InputScale<'a>,
    /// What a step of the weight stands for, for each output channel.
    pub weight: &'a [f32],
    /// The sums of the weight, of [`pack`](super::pack).
    pub sums: &'a [i32],
    /// One value per output channel, in steps of x times those of the weight.
    pub whole_bias: Option<&'a [i32]>,
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
    /// The exact sums `sum − zero·sums + whole bias`, laid out as numbers are.
    Sums(&'a mut [i32]),
}

/// [`QuantizedOutput`] for several tasks.
pub(super) enum To<'a> {
    Numbers(SharedMut<'a, f32>),
    Bytes(SharedMut<'a, u8>, Quantizer),
    Sums(SharedMut<'a, i32>),
}

impl<'a> To<'a> {
    pub fn new(y: QuantizedOutput<'a>) -> To<'a> {
        match y {
            QuantizedOutput::Numbers(y) => To::Numbers(SharedMut::new(y)),
            QuantizedOutput::Bytes(y, scale, zero) => To::Bytes(SharedMut::new(y), Quantizer::new(scale, zero)),
            QuantizedOutput::Sums(y) => To::Sums(SharedMut::new(y)),
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
        nearest_byte(x * self.inverse, self.zero)
    }
}

/// `round(steps) + zero`, ties to even, at least 0 and at most 255; NaN becomes 0.
#[inline(always)]
pub(super) fn nearest_byte(steps: f32, zero: f32) -> u8 {
    let q = steps.round_ties_even() + zero;
    let q = if q > 0.0 { q } else { 0.0 };
    let q = if q < 255.0 { q } else { 255.0 };
    // SAFETY: at least 0 and at most 255.
    (unsafe { q.to_int_unchecked::<i32>() }) as u8
}

/// Some rows and columns of sums.
pub(super) struct Block<'a> {
    pub finish: &'a Finish<'a>,
    /// A row for each position.
    pub sums: &'a [[i32; PANEL]],
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
    let x = &x[at..];
    match x.first_chunk() {
        Some(x) => *x,
        None => {
            let mut lanes = [T::default(); LANES];
            lanes[..x.len()].copy_from_slice(x);
            lanes
        }
    }
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
        use std::arch::x86_64::*;
        let Finish { x, weight, sums, whole_bias, bias, residual, bounds } = *self.finish;
        let pitch = pitch(self.all);
        let first = |count: usize| ((1u32 << count.min(LANES)) - 1) as __mmask16;
        for (register, channel) in self.channels.clone().step_by(LANES).enumerate() {
            // Lanes that are channels, and lanes that are bytes of a position.
            let (channels, bytes) = (first(self.channels.end - channel), first(pitch - channel));
            // SAFETY: masked lanes are not read, and the others lie within slices of one value per channel.
            let load = |x: &[f32]| unsafe { _mm512_maskz_loadu_ps(channels, x[channel..].as_ptr()) };
            // SAFETY: as above.
            let load_whole = |x: &[i32]| unsafe { _mm512_maskz_loadu_epi32(channels, x[channel..].as_ptr()) };
            let (sums, whole_bias) = (load_whole(sums), whole_bias.map(load_whole));
            let (weight, bias) = (load(weight), bias.map(load));
            for (row, given) in self.sums.iter().enumerate() {
                let position = self.position + row;
                let (scale, zero) = match x {
                    InputScale::One(scale, zero) => (scale, zero),
                    InputScale::Each(scales, zeros) => {
                        let image = position / self.positions;
                        (scales[image], zeros[image])
                    }
                };
                // SAFETY: a row of sums has a register for each sixteen channels.
                let given = unsafe { _mm512_loadu_si512(given[register * LANES..][..LANES].as_ptr().cast()) };
                let mut exact = _mm512_sub_epi32(given, _mm512_mullo_epi32(_mm512_set1_epi32(i32::from(zero)), sums));
                if let Some(whole_bias) = whole_bias {
                    exact = _mm512_add_epi32(exact, whole_bias);
                }
                if let To::Sums(to) = to {
                    let mut values = [0; LANES];
                    // SAFETY: sixteen integers are one register; the caller's promise.
                    unsafe {
                        _mm512_storeu_si512(values.as_mut_ptr().cast(), exact);
                        self.place(to, position, channel, &values);
                    }
                    continue;
                }
                let mut y = _mm512_mul_ps(_mm512_cvtepi32_ps(exact), _mm512_mul_ps(_mm512_set1_ps(scale), weight));
                if let Some(bias) = bias {
                    y = _mm512_add_ps(y, bias);
                }
                if let Some(Residual { values, scale, zero }) = residual {
                    // SAFETY: the bytes of a position lie within the residual, which is as long as y.
                    let q =
                        unsafe { _mm_maskz_loadu_epi8(bytes, values[position * pitch + channel..].as_ptr().cast()) };
                    let q = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(q));
                    let steps = _mm512_sub_ps(q, _mm512_set1_ps(f32::from(zero)));
                    y = _mm512_add_ps(y, _mm512_mul_ps(steps, _mm512_set1_ps(scale)));
                }
                if let Some((low, high)) = bounds {
                    // Of a NaN and a bound, the second operand is taken.
                    y = _mm512_min_ps(_mm512_set1_ps(high), _mm512_max_ps(_mm512_set1_ps(low), y));
                }
                match to {
                    To::Bytes(to, Quantizer { inverse, zero }) => {
                        const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
                        let q = _mm512_roundscale_ps::<NEAREST>(_mm512_mul_ps(y, _mm512_set1_ps(*inverse)));
                        let q = _mm512_max_ps(_mm512_add_ps(q, _mm512_set1_ps(*zero)), _mm512_setzero_ps());
                        let q = _mm512_cvttps_epi32(_mm512_min_ps(q, _mm512_set1_ps(255.0)));
                        let start = position * pitch + channel;
                        // SAFETY: the caller's promise; masked lanes are not written.
                        unsafe {
                            let to = to.range(start..start + LANES.min(pitch - channel));
                            _mm_mask_storeu_epi8(to.as_mut_ptr().cast(), bytes, _mm512_cvtepi32_epi8(q));
                        }
                    }
                    To::Numbers(to) => {
                        let mut values = [0.0; LANES];
                        // SAFETY: sixteen floats are one register; the caller's promise.
                        unsafe {
                            _mm512_storeu_ps(values.as_mut_ptr(), y);
                            self.place(to, position, channel, &values);
                        }
                    }
                    To::Sums(_) => unreachable!("sums are written before they are scaled"),
                }
            }
        }
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
    #[allow(clippy::needless_range_loop)] // plain loops over constants are always unrolled
    unsafe fn write_lanes(&self, to: &To) {
        let Finish { x, weight, sums, whole_bias, bias, residual, bounds } = *self.finish;
        let pitch = pitch(self.all);
        for (register, channel) in self.channels.clone().step_by(LANES).enumerate() {
            let (weight, sums) = (lanes(weight, channel), lanes(sums, channel));
            let (whole_bias, bias) =
                (whole_bias.map(|bias| lanes(bias, channel)), bias.map(|bias| lanes(bias, channel)));
            for (row, given) in self.sums.iter().enumerate() {
                let given = &given.as_chunks::<LANES>().0[register];
                let position = self.position + row;
                let (scale, zero) = match x {
                    InputScale::One(scale, zero) => (scale, i32::from(zero)),
                    InputScale::Each(scales, zeros) => {
                        let image = position / self.positions;
                        (scales[image], i32::from(zeros[image]))
                    }
                };
                let mut exact = [0; LANES];
                for j in 0..LANES {
                    exact[j] = given[j].wrapping_sub(zero.wrapping_mul(sums[j]));
                }
                if let Some(whole_bias) = whole_bias {
                    for j in 0..LANES {
                        exact[j] = exact[j].wrapping_add(whole_bias[j]);
                    }
                }
                if let To::Sums(to) = to {
                    // SAFETY: the caller's promises.
                    unsafe { self.place(to, position, channel, &exact) };
                    continue;
                }
                let mut y = [0.0f32; LANES];
                for j in 0..LANES {
                    y[j] = exact[j] as f32 * (scale * weight[j]);
                }
                if let Some(bias) = bias {
                    for j in 0..LANES {
                        y[j] += bias[j];
                    }
                }
                if let Some(residual) = residual {
                    let values: [u8; LANES] = lanes(residual.values, position * pitch + channel);
                    let zero = f32::from(residual.zero);
                    for j in 0..LANES {
                        y[j] += (f32::from(values[j]) - zero) * residual.scale;
                    }
                }
                if let Some((low, high)) = bounds {
                    for j in 0..LANES {
                        let x = if y[j] < low { low } else { y[j] };
                        y[j] = if x > high { high } else { x };
                    }
                }
                // SAFETY: the caller's promises.
                unsafe { self.store(to, position, channel, &y) };
            }
        }
    }

    /// Writes the results of a position for sixteen channels, or as many as are left.
    ///
    /// # Safety
    /// As `write`.
    #[inline(always)]
    #[allow(clippy::needless_range_loop)]
    unsafe fn store(&self, to: &To, position: usize, channel: usize, y: &[f32; LANES]) {
        match to {
            To::Bytes(to, quantizer) => {
                let mut bytes = [0; LANES];
                for j in 0..LANES {
                    bytes[j] = quantizer.byte(y[j]);
                }
                let pitch = pitch(self.all);
                let start = position * pitch + channel;
                // The bytes behind the last channel are written too.
                let count = LANES.min(pitch - channel);
                // SAFETY: the caller's promise.
                let to = unsafe { to.range(start..start + count) };
                match to.first_chunk_mut() {
                    Some(to) => *to = bytes,
                    None => to.copy_from_slice(&bytes[..count]),
                }
            }
            // SAFETY: the caller's promise.
            To::Numbers(to) => unsafe { self.place(to, position, channel, y) },
            To::Sums(_) => unreachable!("sums are written before they are scaled"),
        }
    }

    /// Writes the values of a position for sixteen channels, or as many as are left, a channel after another.
    ///
    /// # Safety
    /// As `write`.
    #[inline(always)]
    unsafe fn place<T: Copy + Send>(&self, to: &SharedMut<T>, position: usize, channel: usize, values: &[T; LANES]) {
        let count = LANES.min(self.channels.end - channel);
        if self.positions == 1 {
            let start = position * self.all + channel;
            // SAFETY: the caller's promise.
            unsafe { to.range(start..start + count) }.copy_from_slice(&values[..count]);
            return;
        }
        let (image, place) = (position / self.positions, position % self.positions);
        let start = (image * self.all + channel) * self.positions + place;
        for (j, &value) in values.iter().enumerate().take(count) {
            let at = start + j * self.positions;
            // SAFETY: the caller's promise.
            unsafe { to.range(at..at + 1)[0] = value };
        }
    }
}
