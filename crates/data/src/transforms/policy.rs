//! RandAugment and TrivialAugment: random operations with next to nothing to tune.

use super::operation::{Operation, Ranges};
use super::{Picture, Transform};
use crate::Result;
use crate::random::Stream;

/// The greatest magnitude.
const MOST: u32 = 30;

/// The operations of both policies.
const OPERATIONS: [Operation; 14] = {
    use Operation::*;
    [
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
    ]
};

/// `operations` random changes of one magnitude (Cubuk et al. 2019, "RandAugment").
#[derive(Clone, Debug)]
pub struct RandAugment {
    /// How many changes.
    pub operations: usize,
    /// Their strength, from 0 to 30.
    pub magnitude: u32,
}

impl Default for RandAugment {
    /// Two changes of magnitude 9.
    fn default() -> RandAugment {
        RandAugment { operations: 2, magnitude: 9 }
    }
}

impl Transform for RandAugment {
    fn apply(&self, picture: &mut Picture, random: &mut Stream) -> Result<()> {
        let ranges = Ranges::of_the_papers(picture);
        let strength = self.magnitude.min(MOST) as f32 / MOST as f32;
        for _ in 0..self.operations {
            pick(&OPERATIONS, random).apply(picture, &ranges, strength, random);
        }
        Ok(())
    }
}

/// One random change of random strength, in wide ranges, and no parameter to tune (Müller and Hutter 2021, "TrivialAugment";
/// the ranges are those of its "wide" space).
#[derive(Clone, Debug, Default)]
pub struct TrivialAugment;

impl Transform for TrivialAugment {
    fn apply(&self, picture: &mut Picture, random: &mut Stream) -> Result<()> {
        let ranges = Ranges { shear: 0.99, shift: [32.0; 2], degrees: 135.0, factor: 0.99, bits: [8.0, 6.0] };
        let strength = random.below(MOST + 1) as f32 / MOST as f32;
        pick(&OPERATIONS, random).apply(picture, &ranges, strength, random);
        Ok(())
    }
}

/// One of several, each as likely as the other.
pub fn pick<T: Copy>(choices: &[T], random: &mut Stream) -> T {
    choices[random.below(choices.len() as u32) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn magnitude_zero_changes_little() {
        let values = (0..3 * 16 * 16).map(|i| (i * 7 % 256) as f32 / 255.0).collect();
        let picture = Picture { channels: 3, height: 16, width: 16, values };
        let policy = RandAugment { operations: 1, magnitude: 0 };
        let unchanged = (0..1000).filter(|&name| {
            let mut result = picture.clone();
            policy.apply(&mut result, &mut Stream::new(0, [name, 0, 0, 0])).unwrap();
            result.values.iter().zip(&picture.values).all(|(a, b)| (a - b).abs() < 1e-5)
        });
        // Each channel has every level once, so autocontrast and equalize leave it as it is; solarizing at 1 inverts pure
        // white. That is one operation of fourteen: 929 expected, standard deviation 8.
        let unchanged = unchanged.count();
        assert!((885..970).contains(&unchanged), "{unchanged}");
    }
}
