//! AugMix: a mean of several mildly changed copies and the image itself.

use super::operation::{Operation, Ranges};
use super::policy::pick;
use super::{Picture, Transform};
use crate::Result;
use crate::random::Stream;

/// Mixes the image with `width` copies, each of which went through a chain of one to three random operations (Hendrycks et al.
/// 2019, "AugMix: A simple data processing method to improve robustness and uncertainty").
///
/// The weights of the copies are drawn from a Dirichlet distribution, that of the image from Beta(1, 1).
#[derive(Clone, Debug)]
pub struct AugMix {
    /// Number of copies.
    pub width: usize,
    /// Greatest magnitude of an operation, from 1 to 10.
    pub severity: u32,
}

impl Default for AugMix {
    /// Three copies and severity 3.
    fn default() -> AugMix {
        AugMix { width: 3, severity: 3 }
    }
}

/// The paper leaves out what its test corruptions resemble: brightness, colour, contrast and sharpness.
const OPERATIONS: [Operation; 9] = {
    use Operation::*;
    [ShearX, ShearY, TranslateX, TranslateY, Rotate, Posterize, Solarize, AutoContrast, Equalize]
};

impl Transform for AugMix {
    fn apply(&self, picture: &mut Picture, random: &mut Stream) -> Result<()> {
        let shift = [picture.width, picture.height].map(|side| side as f32 / 3.0);
        let ranges = Ranges { shear: 0.3, shift, degrees: 30.0, factor: 0.0, bits: [4.0, 4.0] };
        // Dirichlet(1, …, 1): exponential numbers over their sum.
        let exponential = |random: &mut Stream| -libm::logf(1.0 - random.uniform(0.0, 1.0));
        let shares: Vec<f32> = (0..self.width).map(|_| exponential(random)).collect();
        let total: f32 = shares.iter().sum::<f32>().max(f32::MIN_POSITIVE);
        let own = random.uniform(0.0, 1.0);
        let mut mixed: Vec<f32> = picture.values.iter().map(|value| own * value).collect();
        for share in shares {
            let mut copy = picture.clone();
            for _ in 0..=random.below(3) {
                let strength = random.below(self.severity.clamp(1, 10)) as f32 / 9.0;
                pick(&OPERATIONS, random).apply(&mut copy, &ranges, strength, random);
            }
            let weight = (1.0 - own) * share / total;
            mixed.iter_mut().zip(&copy.values).for_each(|(sum, value)| *sum += weight * value);
        }
        picture.values = mixed;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_add_up_to_one() {
        // Rotations and shears keep the middle of a large white square white, autocontrast and equalize keep a flat image, and
        // magnitude 0 solarizes pure white only: the least a mixture can be is 240 / 255, which 4 bits make of white.
        let white = Picture { channels: 1, height: 9, width: 9, values: vec![1.0 - 1e-6; 81] };
        for name in 0..50 {
            let mut result = white.clone();
            AugMix { width: 3, severity: 1 }.apply(&mut result, &mut Stream::new(0, [name, 0, 0, 0])).unwrap();
            assert!((240.0 / 255.0 - 1e-5..=1.0).contains(&result.values[40]), "{}", result.values[40]);
        }
    }

    #[test]
    fn a_mixture_stays_between_black_and_white() {
        let values = (0..3 * 12 * 10).map(|i| (i * 13 % 256) as f32 / 255.0).collect();
        let picture = Picture { channels: 3, height: 12, width: 10, values };
        for name in 0..100 {
            let mut result = picture.clone();
            AugMix { width: 4, severity: 10 }.apply(&mut result, &mut Stream::new(0, [name, 0, 0, 0])).unwrap();
            assert!(result.values.iter().all(|value| (-1e-4..=1.0001).contains(value)));
            assert!(result.values.iter().sum::<f32>() > 0.2 * picture.values.iter().sum::<f32>());
        }
    }
}
