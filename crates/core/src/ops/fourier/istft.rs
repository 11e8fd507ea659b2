//! `istft`: a signal from the spectra of its overlapping pieces (Griffin & Lim 1984).

use super::stft::{Frames, recorded};
use crate::compile::effect;
use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The signals `[…, samples]` whose frames come closest to those of the spectra `[…, n/2 + 1, frames, 2]`: the sum
    /// of all frames, each times the window, by the sum of the squared windows. What [`Tensor::stft`] was given is
    /// found again up to the last whole frame, wherever the windows leave no gap.
    pub fn istft(&self, frames: &Frames) -> Result<Tensor> {
        let [ref outer @ .., bins, count, 2] = self.shape()[..] else {
            let message = format!("needs spectra […, frequencies, frames, 2], got shape {}", self.shape());
            return Err(Error::op("istft", message));
        };
        let (size, hop) = (frames.size, frames.hop);
        let window = frames.weights("istft", self.dtype())?;
        if bins != size / 2 + 1 || count == 0 {
            let message = format!("needs {} frequencies and a frame, got shape {}", size / 2 + 1, self.shape());
            return Err(Error::op("istft", message));
        }
        let pieces = self.try_transpose(-3, -2)?.try_irfft(size, -1)?.try_mul(&window)?;
        let samples = size + hop * (count - 1);
        let joined = |pieces: &Tensor, outer: &[usize]| {
            let shape: Shape = outer.iter().copied().chain([samples]).collect();
            let layout = Layout::contiguous(&shape).windows(outer.len(), size, hop);
            pieces.place(&shape, layout)
        };
        let cover = joined(&window.try_square()?.try_expand([count, size])?, &[]);
        let (start, end) = if frames.centred { (size / 2, samples - size / 2) } else { (0, samples) };
        let inside = |t: &Tensor| t.try_narrow(-1, start, end - start);
        let cover = inside(&cover)?;
        effect("covered", &[&cover], Vec::new(), move |cover| match cover[0].try_le(1e-11)?.any(..).item::<bool>() {
            true => {
                let message = format!("cannot find samples that no window covers: frames of {size} every {hop}");
                Err(Error::op("istft", message))
            }
            false => Ok(()),
        })?;
        inside(&joined(&pieces, outer))?.try_div(cover)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("istft", |a, x| vec![x[0].istft(&recorded(a, &x[1]))])
}
