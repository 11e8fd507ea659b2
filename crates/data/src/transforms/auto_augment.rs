//! AutoAugment: policies that were found by search (Cubuk et al. 2018, "AutoAugment: Learning augmentation policies from data",
//! tables 7 to 9 of the appendix).

use super::operation::Operation::{self, *};
use super::operation::Ranges;
use super::policy::pick;
use super::{Picture, Transform};
use crate::Result;
use crate::random::Stream;

/// An operation, how often it happens, and its magnitude from 0 to 9.
type Step = (Operation, f32, u32);

/// Applies one of 25 pairs of operations that were found to help on a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoAugment {
    /// Found on CIFAR-10.
    Cifar10,
    /// Found on ImageNet.
    ImageNet,
    /// Found on Street View House Numbers.
    Svhn,
}

impl Transform for AutoAugment {
    fn apply(&self, picture: &mut Picture, random: &mut Stream) -> Result<()> {
        let policy = match self {
            AutoAugment::Cifar10 => &CIFAR10,
            AutoAugment::ImageNet => &IMAGENET,
            AutoAugment::Svhn => &SVHN,
        };
        let ranges = Ranges::of_the_papers(picture);
        for (operation, probability, magnitude) in pick(policy, random) {
            if random.chance(probability) {
                operation.apply(picture, &ranges, magnitude as f32 / 9.0, random);
            }
        }
        Ok(())
    }
}

#[rustfmt::skip]
const CIFAR10: [[Step; 2]; 25] = [
    [(Invert, 0.1, 0), (Contrast, 0.2, 6)],      [(Rotate, 0.7, 2), (TranslateX, 0.3, 9)],
    [(Sharpness, 0.8, 1), (Sharpness, 0.9, 3)],  [(ShearY, 0.5, 8), (TranslateY, 0.7, 9)],
    [(AutoContrast, 0.5, 0), (Equalize, 0.9, 0)], [(ShearY, 0.2, 7), (Posterize, 0.3, 7)],
    [(Color, 0.4, 3), (Brightness, 0.6, 7)],     [(Sharpness, 0.3, 9), (Brightness, 0.7, 9)],
    [(Equalize, 0.6, 0), (Equalize, 0.5, 0)],    [(Contrast, 0.6, 7), (Sharpness, 0.6, 5)],
    [(Color, 0.7, 7), (TranslateX, 0.5, 8)],     [(Equalize, 0.3, 0), (AutoContrast, 0.4, 0)],
    [(TranslateY, 0.4, 3), (Sharpness, 0.2, 6)], [(Brightness, 0.9, 6), (Color, 0.2, 8)],
    [(Solarize, 0.5, 2), (Invert, 0.0, 0)],      [(Equalize, 0.2, 0), (AutoContrast, 0.6, 0)],
    [(Equalize, 0.2, 0), (Equalize, 0.6, 0)],    [(Color, 0.9, 9), (Equalize, 0.6, 0)],
    [(AutoContrast, 0.8, 0), (Solarize, 0.2, 8)], [(Brightness, 0.1, 3), (Color, 0.7, 0)],
    [(Solarize, 0.4, 5), (AutoContrast, 0.9, 0)], [(TranslateY, 0.9, 9), (TranslateY, 0.7, 9)],
    [(AutoContrast, 0.9, 0), (Solarize, 0.8, 3)], [(Equalize, 0.8, 0), (Invert, 0.1, 0)],
    [(TranslateY, 0.7, 9), (AutoContrast, 0.9, 0)],
];

#[rustfmt::skip]
const IMAGENET: [[Step; 2]; 25] = [
    [(Posterize, 0.4, 8), (Rotate, 0.6, 9)],     [(Solarize, 0.6, 5), (AutoContrast, 0.6, 0)],
    [(Equalize, 0.8, 0), (Equalize, 0.6, 0)],    [(Posterize, 0.6, 7), (Posterize, 0.6, 6)],
    [(Equalize, 0.4, 0), (Solarize, 0.2, 4)],    [(Equalize, 0.4, 0), (Rotate, 0.8, 8)],
    [(Solarize, 0.6, 3), (Equalize, 0.6, 0)],    [(Posterize, 0.8, 5), (Equalize, 1.0, 0)],
    [(Rotate, 0.2, 3), (Solarize, 0.6, 8)],      [(Equalize, 0.6, 0), (Posterize, 0.4, 6)],
    [(Rotate, 0.8, 8), (Color, 0.4, 0)],         [(Rotate, 0.4, 9), (Equalize, 0.6, 0)],
    [(Equalize, 0.0, 0), (Equalize, 0.8, 0)],    [(Invert, 0.6, 0), (Equalize, 1.0, 0)],
    [(Color, 0.6, 4), (Contrast, 1.0, 8)],       [(Rotate, 0.8, 8), (Color, 1.0, 2)],
    [(Color, 0.8, 8), (Solarize, 0.8, 7)],       [(Sharpness, 0.4, 7), (Invert, 0.6, 0)],
    [(ShearX, 0.6, 5), (Equalize, 1.0, 0)],      [(Color, 0.4, 0), (Equalize, 0.6, 0)],
    [(Equalize, 0.4, 0), (Solarize, 0.2, 4)],    [(Solarize, 0.6, 5), (AutoContrast, 0.6, 0)],
    [(Invert, 0.6, 0), (Equalize, 1.0, 0)],      [(Color, 0.6, 4), (Contrast, 1.0, 8)],
    [(Equalize, 0.8, 0), (Equalize, 0.6, 0)],
];

#[rustfmt::skip]
const SVHN: [[Step; 2]; 25] = [
    [(ShearX, 0.9, 4), (Invert, 0.2, 0)],        [(ShearY, 0.9, 8), (Invert, 0.7, 0)],
    [(Equalize, 0.6, 0), (Solarize, 0.6, 6)],    [(Invert, 0.9, 0), (Equalize, 0.6, 0)],
    [(Equalize, 0.6, 0), (Rotate, 0.9, 3)],      [(ShearX, 0.9, 4), (AutoContrast, 0.8, 0)],
    [(ShearY, 0.9, 8), (Invert, 0.4, 0)],        [(ShearY, 0.9, 5), (Solarize, 0.2, 6)],
    [(Invert, 0.9, 0), (AutoContrast, 0.8, 0)],  [(Equalize, 0.6, 0), (Rotate, 0.9, 3)],
    [(ShearX, 0.9, 4), (Solarize, 0.3, 3)],      [(ShearY, 0.8, 8), (Invert, 0.7, 0)],
    [(Equalize, 0.9, 0), (TranslateY, 0.6, 6)],  [(Invert, 0.9, 0), (Equalize, 0.6, 0)],
    [(Contrast, 0.3, 3), (Rotate, 0.8, 4)],      [(Invert, 0.8, 0), (TranslateY, 0.0, 2)],
    [(ShearY, 0.7, 6), (Solarize, 0.4, 8)],      [(Invert, 0.6, 0), (Rotate, 0.8, 4)],
    [(ShearY, 0.3, 7), (TranslateX, 0.9, 3)],    [(ShearX, 0.1, 6), (Invert, 0.6, 0)],
    [(Solarize, 0.7, 2), (TranslateY, 0.6, 7)],  [(ShearY, 0.8, 4), (Invert, 0.8, 0)],
    [(ShearX, 0.7, 9), (TranslateY, 0.8, 3)],    [(ShearY, 0.8, 5), (AutoContrast, 0.7, 0)],
    [(ShearX, 0.7, 2), (Invert, 0.1, 0)],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_hold_probabilities_and_magnitudes() {
        for (operation, probability, magnitude) in [CIFAR10, IMAGENET, SVHN].into_iter().flatten().flatten() {
            assert!((0.0..=1.0).contains(&probability) && magnitude <= 9, "{operation:?}");
        }
    }

    #[test]
    fn every_policy_keeps_size_and_range() {
        let values = (0..3 * 12 * 10).map(|i| (i * 13 % 256) as f32 / 255.0).collect();
        let picture = Picture { channels: 3, height: 12, width: 10, values };
        for policy in [AutoAugment::Cifar10, AutoAugment::ImageNet, AutoAugment::Svhn] {
            let mut changed = 0;
            for name in 0..100 {
                let mut result = picture.clone();
                policy.apply(&mut result, &mut Stream::new(0, [name, 0, 0, 0])).unwrap();
                assert!(result.values.len() == 360 && result.values.iter().all(|v| (-1e-5..=1.00001).contains(v)));
                changed += usize::from(result != picture);
            }
            assert!(changed > 50, "{policy:?} changed {changed} of 100");
        }
    }
}
