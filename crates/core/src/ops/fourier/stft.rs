//! `stft`: the spectra of overlapping pieces of a signal.

use crate::Border;
use crate::ops::prelude::*;

/// How a signal is cut into frames; the same for [`Tensor::stft`] and [`Tensor::istft`].
#[derive(Clone, Debug)]
pub struct Frames {
    /// The samples of a frame, n.
    pub size: usize,
    /// The samples from the start of one frame to that of the next; n/4 by default.
    pub hop: usize,
    /// Weights of the samples of a frame `[at most n]`, put in its middle; ones by default.
    pub window: Option<Tensor>,
    /// Whether frame i is centred at sample i·hop: the signal is first mirrored by n/2 samples at both ends.
    pub centred: bool,
}

impl Frames {
    /// Centred frames of `size` samples, a quarter of that apart, weighted equally.
    pub fn new(size: usize) -> Frames {
        Frames { size, hop: size / 4, window: None, centred: true }
    }

    /// The samples from one frame to the next.
    pub fn hop(self, hop: usize) -> Frames {
        Frames { hop, ..self }
    }

    /// The weights of a frame's samples, such as [`Tensor::window`] returns.
    pub fn window(self, window: &Tensor) -> Frames {
        Frames { window: Some(window.clone()), ..self }
    }

    /// Frames that begin at sample i·hop.
    pub fn not_centred(self) -> Frames {
        Frames { centred: false, ..self }
    }

    /// The weights as `[n]` numbers of the given type.
    pub(crate) fn weights(&self, op: &'static str, dtype: DType) -> Result<Tensor> {
        let fail = |message: String| Err(Error::op(op, message));
        if self.size == 0 || self.hop == 0 {
            return fail(format!("needs frames of at least 1 sample and a hop of at least 1, got {self:?}"));
        }
        let Some(window) = &self.window else { return Ok(Tensor::full_with(self.size, 1, dtype)) };
        if window.rank() != 1 || window.elements() > self.size {
            return fail(format!("needs a window of at most {} weights, got shape {}", self.size, window.shape()));
        }
        let free = self.size - window.elements();
        window.try_to_dtype(dtype)?.try_pad([((free / 2) as isize, (free - free / 2) as isize)], Border::ZEROS)
    }
}

#[fallible]
impl Tensor {
    /// The short-time Fourier transform of signals `[…, samples]`: `[…, n/2 + 1 frequencies, frames, 2]`, pairs of real
    /// and imaginary part. `spectra.norm(2.0, -1)` are the magnitudes.
    pub fn stft(&self, frames: &Frames) -> Result<Tensor> {
        let x = self.floating()?;
        let weights = frames.weights("stft", x.dtype())?;
        let half = if frames.centred { frames.size / 2 } else { 0 };
        let samples = self.shape().last().map_or(0, |&n| n);
        if samples + 2 * half < frames.size || (half > 0 && samples <= half) {
            let message = format!("needs more samples for frames of {}, got shape {}", frames.size, self.shape());
            return Err(Error::op("stft", message));
        }
        let x = if half > 0 { x.try_pad([(half as isize, half as isize)], Border::Reflect)? } else { x };
        let pieces = x.try_unfold(-1, frames.size, frames.hop)?.try_mul(&weights)?;
        pieces.try_rfft(-1)?.try_transpose(-3, -2)
    }
}

pub(crate) fn recorded(a: &crate::testing::Attributes, window: &Tensor) -> Frames {
    let frames = Frames::new(a.integer("n_fft") as usize).hop(a.integer("hop_length") as usize).window(window);
    if a.flag("center") { frames } else { frames.not_centred() }
}

pub(crate) fn cases() -> Cases {
    Cases::new("stft", |a, x| vec![x[0].stft(&recorded(a, &x[1]))])
}
