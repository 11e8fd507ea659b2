//! Random erasing.

use super::crop::random_part;
use super::{Picture, Transform};
use crate::Result;
use crate::random::Stream;

/// Makes a random rectangle black (Zhong et al. 2017, "Random erasing data augmentation").
#[derive(Clone, Debug)]
pub struct RandomErasing {
    /// How often it happens.
    pub probability: f32,
    /// Least and greatest share of the image's area.
    pub scale: [f32; 2],
    /// Least and greatest ratio of width to height.
    pub ratio: [f32; 2],
    /// The value of the rectangle: 0 is black before normalization and the mean after it.
    pub value: f32,
}

impl Default for RandomErasing {
    /// The paper's: half of the images, 2 % to 33 % of the area, ratios from 0.3 to 3.3.
    fn default() -> RandomErasing {
        RandomErasing { probability: 0.5, scale: [0.02, 0.33], ratio: [0.3, 3.3], value: 0.0 }
    }
}

impl Transform for RandomErasing {
    fn apply(&self, picture: &mut Picture, random: &mut Stream) -> Result<()> {
        if !random.chance(self.probability) {
            return Ok(());
        }
        let Some(([top, left], [height, width])) = random_part(picture, self.scale, self.ratio, random) else {
            return Ok(());
        };
        let columns = picture.width;
        for plane in picture.planes_mut() {
            for row in top..top + height {
                plane[row * columns + left..][..width].fill(self.value);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_rectangle_in_every_channel() {
        for name in 0..200 {
            let mut picture = Picture { channels: 3, height: 20, width: 20, values: vec![1.0; 1200] };
            let erasing = RandomErasing { probability: 1.0, value: 0.25, ..RandomErasing::default() };
            erasing.apply(&mut picture, &mut Stream::new(0, [name, 0, 0, 0])).unwrap();
            let planes: Vec<&[f32]> = picture.planes().collect();
            assert!(planes[0] == planes[1] && planes[1] == planes[2]);
            let erased = planes[0].iter().filter(|&&value| value == 0.25).count();
            assert!((4..=150).contains(&erased), "{erased}");
        }
    }
}
