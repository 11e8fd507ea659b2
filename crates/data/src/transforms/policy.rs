//! Augmentation policies: one of fourteen changes after the other, of a strength that is a single number.
//!
//! Operations and ranges are torchvision's `RandAugment` and `TrivialAugmentWide`; interpolation is bilinear, and what comes from
//! outside the image is black.

use super::warp::{Affine, warp};
use super::{Picture, Transform, color, tone};
use crate::Result;
use crate::random::Stream;

/// Strengths go from 0 to `BINS - 1`.
const BINS: u32 = 31;

/// `operations` random changes of one strength (Cubuk et al. 2019, "RandAugment").
#[derive(Clone, Debug)]
pub struct RandAugment {
    /// How many changes.
    pub operations: usize,
    /// Their strength, from 0 to 30.
    pub magnitude: u32,
}

impl Default for RandAugment {
    /// Two changes of strength 9.
    fn default() -> RandAugment {
        RandAugment { operations: 2, magnitude: 9 }
    }
}

impl Transform for RandAugment {
    fn apply(&self, picture: &mut Picture, random: &mut Stream) -> Result<()> {
        let share = self.magnitude.min(BINS - 1) as f32 / (BINS - 1) as f32;
        // The greatest shift is 150 of the 331 pixels of the paper's images.
        let side = [picture.width, picture.height].map(|side| side as f32 * 150.0 / 331.0);
        let ranges = Ranges { shear: 0.3, shift: side, degrees: 30.0, factor: 0.9, bits: 4.0 };
        for _ in 0..self.operations {
            change(picture, &ranges, share, random);
        }
        Ok(())
    }
}

/// One random change of random strength, in wide ranges, and no parameter to tune (Müller and Hutter 2021, "TrivialAugment").
#[derive(Clone, Debug, Default)]
pub struct TrivialAugment;

impl Transform for TrivialAugment {
    fn apply(&self, picture: &mut Picture, random: &mut Stream) -> Result<()> {
        let share = random.below(BINS) as f32 / (BINS - 1) as f32;
        let ranges = Ranges { shear: 0.99, shift: [32.0; 2], degrees: 135.0, factor: 0.99, bits: 6.0 };
        change(picture, &ranges, share, random);
        Ok(())
    }
}

/// What full strength means.
struct Ranges {
    /// Tangent of the angle.
    shear: f32,
    /// Pixels along x and y.
    shift: [f32; 2],
    degrees: f32,
    /// Distance of a factor of brightness, colour, contrast or sharpness from 1.
    factor: f32,
    /// Bits that posterizing takes away.
    bits: f32,
}

/// Applies one of fourteen operations, at `share` of its full strength, in either direction.
fn change(picture: &mut Picture, ranges: &Ranges, share: f32, random: &mut Stream) {
    let sign = if random.chance(0.5) { -share } else { share };
    let factor = 1.0 + sign * ranges.factor;
    let shift = ranges.shift.map(|most| (sign * most).trunc());
    // A shear keeps the top left corner in its place.
    let middle = [picture.height, picture.width].map(|side| side as f32 / 2.0);
    let shear = sign * ranges.shear;
    match random.below(14) {
        0 => {}
        1 => warp(picture, &Affine::undoing(0.0, 1.0, [shear, 0.0], [shear * middle[0], 0.0])),
        2 => warp(picture, &Affine::undoing(0.0, 1.0, [0.0, shear], [0.0, shear * middle[1]])),
        3 => warp(picture, &Affine::undoing(0.0, 1.0, [0.0; 2], [shift[0], 0.0])),
        4 => warp(picture, &Affine::undoing(0.0, 1.0, [0.0; 2], [0.0, shift[1]])),
        5 => warp(picture, &Affine::undoing(sign * ranges.degrees, 1.0, [0.0; 2], [0.0; 2])),
        6 => color::brightness(picture, factor),
        7 => color::saturation(picture, factor),
        8 => color::contrast(picture, factor),
        9 => tone::sharpness(picture, factor),
        10 => tone::posterize(picture, 8 - (share * ranges.bits + 0.5) as u32),
        11 => tone::solarize(picture, 1.0 - share),
        12 => tone::autocontrast(picture),
        _ => tone::equalize(picture),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> Picture {
        let values = (0..3 * 16 * 16).map(|i| (i * 7 % 256) as f32 / 255.0).collect();
        Picture { channels: 3, height: 16, width: 16, values }
    }

    #[test]
    fn strength_zero_changes_little() {
        let policy = RandAugment { operations: 1, magnitude: 0 };
        let unchanged = (0..1000).filter(|&name| {
            let mut result = picture();
            policy.apply(&mut result, &mut Stream::new(0, [name, 0, 0, 0])).unwrap();
            result.values.iter().zip(&picture().values).all(|(a, b)| (a - b).abs() < 1e-5)
        });
        // Each channel has every level once, so autocontrast and equalize leave it as it is; solarizing at 1 inverts pure
        // white. That is one operation of fourteen: 929 expected, standard deviation 8.
        let unchanged = unchanged.count();
        assert!((885..970).contains(&unchanged), "{unchanged}");
    }

    #[test]
    fn a_shear_keeps_the_top_left_corner() {
        let shear = 0.5;
        let mut result = Picture { channels: 1, height: 4, width: 4, values: vec![1.0; 16] };
        warp(&mut result, &Affine::undoing(0.0, 1.0, [shear, 0.0], [shear * 2.0, 0.0]));
        // Row y moves by (y + ½) / 2 pixels to the right.
        let expected = [0.75, 0.25, 0.0, 0.0];
        for (row, expected) in result.values.chunks(4).zip(expected) {
            assert!((row[0] - expected).abs() < 1e-5 && row[3] == 1.0, "{row:?}");
        }
    }
}
