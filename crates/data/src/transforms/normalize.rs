//! Taking away the mean and dividing by the standard deviation, channel by channel.

use hadal_kernels::simd::{Vectorized, vectorized};

use super::{Picture, Transform, check_channels};
use crate::Result;
use crate::random::Stream;

/// `(x - mean) / std` in each channel.
#[derive(Clone, Debug)]
pub struct Normalize {
    mean: Vec<f32>,
    std: Vec<f32>,
}

impl Normalize {
    /// With one mean and one standard deviation per channel, of values from 0 to 1
    /// (as [`ImageSet::mean_and_std`](crate::ImageSet::mean_and_std) gives them).
    ///
    /// # Panics
    /// When the two differ in length, or a standard deviation is not positive.
    #[track_caller]
    pub fn new(mean: &[f32], std: &[f32]) -> Normalize {
        assert!(mean.len() == std.len(), "normalize: {} means, but {} standard deviations", mean.len(), std.len());
        if let Some(bad) = std.iter().find(|std| !(std.is_finite() && **std > 0.0)) {
            panic!("normalize: the standard deviation {bad} is not positive");
        }
        Normalize { mean: mean.to_vec(), std: std.to_vec() }
    }
}

struct Shift<'a> {
    plane: &'a mut [f32],
    mean: f32,
    std: f32,
}

impl Vectorized for Shift<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Shift { plane, mean, std } = self;
        plane.iter_mut().for_each(|value| *value = (*value - mean) / std);
    }
}

impl Transform for Normalize {
    fn apply(&self, picture: &mut Picture, _: &mut Stream) -> Result<()> {
        check_channels(picture, self.mean.len(), "normalize")?;
        for ((plane, mean), std) in picture.planes_mut().zip(&self.mean).zip(&self.std) {
            vectorized(Shift { plane, mean: *mean, std: *std });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_channel_has_its_own_moments() {
        let mut picture = Picture { channels: 2, height: 1, width: 2, values: vec![0.5, 1.0, 0.25, 0.0] };
        let mut random = Stream::new(0, [0; 4]);
        Normalize::new(&[0.5, 0.25], &[0.5, 0.125]).apply(&mut picture, &mut random).unwrap();
        assert_eq!(picture.values, [0.0, 1.0, 0.0, -2.0]);
        let error = Normalize::new(&[0.5], &[0.5]).apply(&mut picture, &mut random).unwrap_err();
        assert_eq!(error.to_string(), "normalize needs an image of 1 channels, got 2");
    }

    #[test]
    #[should_panic(expected = "the standard deviation 0 is not positive")]
    fn a_constant_channel() {
        let _ = Normalize::new(&[0.5], &[0.0]);
    }
}
