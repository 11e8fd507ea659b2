//! The changes that augmentation policies are made of, each with a strength from 0 to 1.
//!
//! Operations and ranges are torchvision's, which follow the papers; interpolation is bilinear, and what comes from outside the
//! image is black.

use super::warp::{Affine, warp};
use super::{Picture, color, tone};
use crate::random::Stream;

/// What a policy can do to an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Identity,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
    Rotate,
    Brightness,
    Color,
    Contrast,
    Sharpness,
    Posterize,
    Solarize,
    AutoContrast,
    Equalize,
    Invert,
}

/// What full strength means.
#[derive(Clone, Debug)]
pub struct Ranges {
    /// Tangent of the angle.
    pub shear: f32,
    /// Pixels along x and y.
    pub shift: [f32; 2],
    /// Degrees of the rotation.
    pub degrees: f32,
    /// Distance of a factor of brightness, colour, contrast or sharpness from 1.
    pub factor: f32,
    /// Bits that posterizing leaves at strength 0, and how many fewer at strength 1.
    pub bits: [f32; 2],
}

impl Ranges {
    /// The ranges of AutoAugment and RandAugment. The greatest shift is 150 pixels of the 331 that the paper's images have.
    pub fn of_the_papers(picture: &Picture) -> Ranges {
        let shift = [picture.width, picture.height].map(|side| side as f32 * 150.0 / 331.0);
        Ranges { shear: 0.3, shift, degrees: 30.0, factor: 0.9, bits: [8.0, 4.0] }
    }
}

impl Operation {
    /// Changes the picture with this strength, in a random direction where there are two.
    pub fn apply(self, picture: &mut Picture, ranges: &Ranges, strength: f32, random: &mut Stream) {
        let signed = if random.chance(0.5) { -strength } else { strength };
        let factor = 1.0 + signed * ranges.factor;
        let shift = ranges.shift.map(|most| (signed * most).trunc());
        let shear = signed * ranges.shear;
        // A shear keeps the top left corner, not the middle, in its place.
        let middle = [picture.height, picture.width].map(|side| side as f32 / 2.0);
        let moved = |shift| Affine::undoing(0.0, 1.0, [0.0; 2], shift);
        match self {
            Operation::Identity => {}
            Operation::ShearX => warp(picture, &Affine::undoing(0.0, 1.0, [shear, 0.0], [shear * middle[0], 0.0])),
            Operation::ShearY => warp(picture, &Affine::undoing(0.0, 1.0, [0.0, shear], [0.0, shear * middle[1]])),
            Operation::TranslateX => warp(picture, &moved([shift[0], 0.0])),
            Operation::TranslateY => warp(picture, &moved([0.0, shift[1]])),
            Operation::Rotate => {
                warp(picture, &Affine::undoing(signed * ranges.degrees, 1.0, [0.0; 2], [0.0; 2]));
            }
            Operation::Brightness => color::brightness(picture, factor),
            Operation::Color => color::saturation(picture, factor),
            Operation::Contrast => color::contrast(picture, factor),
            Operation::Sharpness => tone::sharpness(picture, factor),
            Operation::Posterize => {
                tone::posterize(picture, (ranges.bits[0] - (strength * ranges.bits[1] + 0.5).floor()) as u32);
            }
            Operation::Solarize => tone::solarize(picture, 1.0 - strength),
            Operation::AutoContrast => tone::autocontrast(picture),
            Operation::Equalize => tone::equalize(picture),
            Operation::Invert => tone::solarize(picture, 0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shear_keeps_the_top_left_corner() {
        let ranges = Ranges { shear: 0.5, shift: [0.0; 2], degrees: 0.0, factor: 0.0, bits: [8.0, 0.0] };
        let mut directions = [0, 0];
        for name in 0..20 {
            let mut result = Picture { channels: 1, height: 4, width: 4, values: vec![1.0; 16] };
            Operation::ShearX.apply(&mut result, &ranges, 1.0, &mut Stream::new(0, [name, 0, 0, 0]));
            // Row y moves by (y + ½) / 2 pixels, to the right or to the left.
            let right = result.values[0] < 1.0;
            directions[usize::from(right)] += 1;
            for (row, expected) in result.values.chunks(4).zip([0.75, 0.25, 0.0, 0.0]) {
                let edges = if right { [row[0], row[3]] } else { [row[3], row[0]] };
                assert!((edges[0] - expected).abs() < 1e-5 && edges[1] == 1.0, "{row:?}");
            }
        }
        assert!(directions.iter().all(|&count| count > 3), "{directions:?}");
    }

    #[test]
    fn posterizing_and_inverting() {
        let ranges = Ranges { shear: 0.0, shift: [0.0; 2], degrees: 0.0, factor: 0.0, bits: [8.0, 4.0] };
        let mut picture = Picture { channels: 1, height: 1, width: 2, values: vec![0.0, 1.0] };
        Operation::Posterize.apply(&mut picture, &ranges, 1.0, &mut Stream::new(0, [0; 4]));
        assert_eq!(picture.values, [0.0, 240.0 / 255.0]);
        Operation::Invert.apply(&mut picture, &ranges, 1.0, &mut Stream::new(0, [0; 4]));
        assert_eq!(picture.values, [1.0, 1.0 - 240.0 / 255.0]);
    }
}
