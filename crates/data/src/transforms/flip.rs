//! Mirror images.

use super::{Picture, Transform, check_probability};
use crate::Result;
use crate::random::Stream;

/// Left becomes right with a probability of one half, unless said otherwise.
#[derive(Clone, Debug)]
pub struct HorizontalFlip {
    probability: f32,
}

/// Top becomes bottom with a probability of one half, unless said otherwise.
#[derive(Clone, Debug)]
pub struct VerticalFlip {
    probability: f32,
}

impl HorizontalFlip {
    /// With another probability.
    ///
    /// # Panics
    /// When it is not between 0 and 1.
    #[track_caller]
    pub fn new(probability: f32) -> HorizontalFlip {
        check_probability(probability, "horizontal flip");
        HorizontalFlip { probability }
    }
}

impl VerticalFlip {
    /// With another probability.
    ///
    /// # Panics
    /// When it is not between 0 and 1.
    #[track_caller]
    pub fn new(probability: f32) -> VerticalFlip {
        check_probability(probability, "vertical flip");
        VerticalFlip { probability }
    }
}

impl Default for HorizontalFlip {
    fn default() -> HorizontalFlip {
        HorizontalFlip::new(0.5)
    }
}

impl Default for VerticalFlip {
    fn default() -> VerticalFlip {
        VerticalFlip::new(0.5)
    }
}

impl Transform for HorizontalFlip {
    fn apply(&self, picture: &mut Picture, random: &mut Stream) -> Result<()> {
        if random.chance(self.probability) {
            picture.values.chunks_exact_mut(picture.width.max(1)).for_each(<[f32]>::reverse);
        }
        Ok(())
    }
}

impl Transform for VerticalFlip {
    fn apply(&self, picture: &mut Picture, random: &mut Stream) -> Result<()> {
        if random.chance(self.probability) {
            let (height, width) = (picture.height, picture.width);
            picture.remake(height, width, |plane, row, column| plane[(height - 1 - row) * width + column]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flipped(flip: &dyn Transform) -> Vec<f32> {
        let mut picture = Picture { channels: 1, height: 2, width: 3, values: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0] };
        flip.apply(&mut picture, &mut Stream::new(0, [0; 4])).unwrap();
        picture.values
    }

    #[test]
    fn rows_or_columns_are_reversed() {
        assert_eq!(flipped(&HorizontalFlip::new(1.0)), [3.0, 2.0, 1.0, 6.0, 5.0, 4.0]);
        assert_eq!(flipped(&VerticalFlip::new(1.0)), [4.0, 5.0, 6.0, 1.0, 2.0, 3.0]);
        assert_eq!(flipped(&HorizontalFlip::new(0.0)), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    }

    #[test]
    #[should_panic(expected = "horizontal flip: the probability 50 is not between 0 and 1")]
    fn percent_are_no_probability() {
        let _ = HorizontalFlip::new(50.0);
    }
}
