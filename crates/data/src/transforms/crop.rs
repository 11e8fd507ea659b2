//! Cutting out a part of the image.

use super::resize::resize;
use super::{Picture, Transform};
use crate::random::Stream;
use crate::{Error, Result};

/// Cuts `height` × `width` pixels out of the middle.
#[derive(Clone, Debug)]
pub struct CenterCrop {
    /// Rows of the result.
    pub height: usize,
    /// Columns of the result.
    pub width: usize,
}

impl Transform for CenterCrop {
    fn apply(&self, picture: &mut Picture, _: &mut Stream) -> Result<()> {
        check(picture, self.height, self.width, "center crop")?;
        let (top, left) = ((picture.height - self.height) / 2, (picture.width - self.width) / 2);
        crop(picture, [top, left], [self.height, self.width]);
        Ok(())
    }
}

/// Cuts `height` × `width` pixels out of a random place, after a border of black pixels was added, if any.
#[derive(Clone, Debug)]
pub struct RandomCrop {
    height: usize,
    width: usize,
    padding: usize,
}

impl RandomCrop {
    /// Without a border.
    pub fn new(height: usize, width: usize) -> RandomCrop {
        RandomCrop { height, width, padding: 0 }
    }

    /// With a border this wide on each side.
    pub fn padding(mut self, padding: usize) -> RandomCrop {
        self.padding = padding;
        self
    }
}

impl Transform for RandomCrop {
    fn apply(&self, picture: &mut Picture, random: &mut Stream) -> Result<()> {
        let (padding, height, width) = (self.padding, picture.height, picture.width);
        let shift = |available: usize, wanted: usize, random: &mut Stream| {
            let room = (available + 2 * padding).checked_sub(wanted)?;
            Some(random.below(room as u32 + 1) as usize)
        };
        let (Some(top), Some(left)) = (shift(height, self.height, random), shift(width, self.width, random)) else {
            check(picture, self.height, self.width, "random crop")?;
            return Ok(());
        };
        // The columns of the result that are in the image; the image begins before or in them.
        let inside =
            padding.saturating_sub(left).min(self.width)..(padding + width).saturating_sub(left).min(self.width);
        let mut values = vec![0.0; picture.channels * self.height * self.width];
        for (plane, to) in picture.planes().zip(values.chunks_exact_mut((self.height * self.width).max(1))) {
            for (row, to) in to.chunks_exact_mut(self.width.max(1)).enumerate() {
                let from = (row + top).wrapping_sub(padding);
                if from < height && !inside.is_empty() {
                    let start = from * width + inside.start + left - padding;
                    to[inside.clone()].copy_from_slice(&plane[start..start + inside.len()]);
                }
            }
        }
        (picture.height, picture.width, picture.values) = (self.height, self.width, values);
        Ok(())
    }
}

/// Cuts out a random part of random size and shape, and scales it to `height` × `width`: ImageNet's augmentation
/// (Szegedy et al. 2015, "Going deeper with convolutions").
#[derive(Clone, Debug)]
pub struct RandomResizedCrop {
    /// Rows of the result.
    pub height: usize,
    /// Columns of the result.
    pub width: usize,
    /// Least and greatest share of the image's area.
    pub scale: [f32; 2],
    /// Least and greatest ratio of width to height.
    pub ratio: [f32; 2],
}

impl RandomResizedCrop {
    /// 8 % to 100 % of the area, with a ratio of 3:4 to 4:3.
    pub fn new(height: usize, width: usize) -> RandomResizedCrop {
        RandomResizedCrop { height, width, scale: [0.08, 1.0], ratio: [3.0 / 4.0, 4.0 / 3.0] }
    }
}

impl Transform for RandomResizedCrop {
    fn apply(&self, picture: &mut Picture, random: &mut Stream) -> Result<()> {
        let part = random_part(picture, self.scale, self.ratio, random);
        let (corner, size) = part.unwrap_or_else(|| {
            // No luck, as with a long thin image: the largest part in the middle whose ratio is allowed.
            let (height, width) = (picture.height as f32, picture.width as f32);
            let ratio = (width / height).clamp(self.ratio[0], self.ratio[1]);
            let size = [height.min(width / ratio), width.min(height * ratio)].map(|side| (side + 0.5) as usize);
            ([(picture.height - size[0]) / 2, (picture.width - size[1]) / 2], size)
        });
        crop(picture, corner, size);
        resize(picture, self.height, self.width)
    }
}

/// The corner and the size, each `[rows, columns]`, of a random part with an area and a width-to-height ratio in these
/// ranges; the ratio is uniform on a logarithmic scale. `None` when ten attempts do not fit into the picture.
pub fn random_part(
    picture: &Picture,
    scale: [f32; 2],
    ratio: [f32; 2],
    random: &mut Stream,
) -> Option<([usize; 2], [usize; 2])> {
    for _ in 0..10 {
        let area = (picture.height * picture.width) as f32 * random.uniform(scale[0], scale[1]);
        let ratio = libm::expf(random.uniform(libm::logf(ratio[0]), libm::logf(ratio[1])));
        let size = [(area / ratio).sqrt(), (area * ratio).sqrt()].map(|side| (side + 0.5) as usize);
        if (1..=picture.height).contains(&size[0]) && (1..=picture.width).contains(&size[1]) {
            let corner = [picture.height - size[0], picture.width - size[1]];
            return Some((corner.map(|room| random.below(room as u32 + 1) as usize), size));
        }
    }
    None
}

fn check(picture: &Picture, height: usize, width: usize, what: &str) -> Result<()> {
    if height <= picture.height && width <= picture.width {
        return Ok(());
    }
    let Picture { height: rows, width: columns, .. } = picture;
    let message = format!("{what} to {height} × {width} of an image of {rows} × {columns}: resize it first");
    Err(Error::invalid(message))
}

fn crop(picture: &mut Picture, [top, left]: [usize; 2], [height, width]: [usize; 2]) {
    let columns = picture.width;
    picture.remake(height, width, |plane, row, column| plane[(row + top) * columns + column + left]);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pixel (row, column) has the value 10 row + column.
    fn picture(height: usize, width: usize) -> Picture {
        let values = (0..height * width).map(|i| (10 * (i / width) + i % width) as f32).collect();
        Picture { channels: 1, height, width, values }
    }

    #[test]
    fn the_middle() {
        let mut picture = picture(4, 5);
        CenterCrop { height: 2, width: 3 }.apply(&mut picture, &mut Stream::new(0, [0; 4])).unwrap();
        assert_eq!(picture.values, [11.0, 12.0, 13.0, 21.0, 22.0, 23.0]);
    }

    #[test]
    fn every_place_occurs_and_the_border_is_black() {
        let mut corners = std::collections::BTreeMap::new();
        for name in 0..3000 {
            let mut picture = picture(2, 2);
            picture.map(|value| value + 1.0);
            let crop = RandomCrop::new(2, 2).padding(1);
            crop.apply(&mut picture, &mut Stream::new(0, [name, 0, 0, 0])).unwrap();
            *corners.entry(picture.values.iter().map(|&v| v as i32).collect::<Vec<_>>()).or_insert(0) += 1;
        }
        // 3 × 3 places, 333 expected each, standard deviation 17.
        assert_eq!(corners.len(), 9);
        assert!(corners.values().all(|count| (240..430).contains(count)), "{corners:?}");
        assert!(corners.contains_key(&vec![0, 0, 0, 1]) && corners.contains_key(&vec![12, 0, 0, 0]));
    }

    /// Crops smaller and larger than the border and the image, in every place: each has the pixels around its corner.
    #[test]
    fn a_crop_is_a_part_of_the_bordered_image() {
        for (height, width, padding) in [(1, 2, 3), (1, 1, 6), (5, 4, 2), (7, 8, 2), (3, 3, 0)] {
            for name in 0..200 {
                let mut cropped = picture(3, 4);
                cropped.map(|value| value + 1.0);
                let original = cropped.clone();
                let crop = RandomCrop::new(height, width).padding(padding);
                crop.apply(&mut cropped, &mut Stream::new(0, [name, 0, 0, 0])).unwrap();
                let pixel = |row: usize, column: usize| {
                    let (row, column) = (row.wrapping_sub(padding), column.wrapping_sub(padding));
                    if row < 3 && column < 4 { original.values[row * 4 + column] } else { 0.0 }
                };
                let corners =
                    (0..=3 + 2 * padding - height).flat_map(|t| (0..=4 + 2 * padding - width).map(move |l| (t, l)));
                let part = |(top, left)| -> Vec<f32> {
                    (0..height * width).map(|i| pixel(top + i / width, left + i % width)).collect()
                };
                assert!(corners.map(part).any(|part| part == cropped.values), "{height} × {width}: {cropped:?}");
            }
        }
    }

    #[test]
    fn a_crop_larger_than_the_image() {
        let mut random = Stream::new(0, [0; 4]);
        let error = RandomCrop::new(9, 9).padding(1).apply(&mut picture(4, 5), &mut random).unwrap_err();
        assert_eq!(error.to_string(), "random crop to 9 × 9 of an image of 4 × 5: resize it first");
        assert!(CenterCrop { height: 5, width: 5 }.apply(&mut picture(4, 5), &mut random).is_err());
    }

    #[test]
    fn random_parts_have_the_areas_and_ratios_asked_for() {
        let picture = picture(100, 100);
        for name in 0..500 {
            let mut random = Stream::new(0, [name, 0, 0, 0]);
            let (corner, size) = random_part(&picture, [0.2, 0.5], [0.5, 2.0], &mut random).unwrap();
            assert!(corner[0] + size[0] <= 100 && corner[1] + size[1] <= 100);
            let [height, width] = size.map(|side| side as f32);
            assert!((0.19..0.51).contains(&(height * width / 1e4)) && (0.48..2.08).contains(&(width / height)));
        }
    }

    #[test]
    fn a_long_thin_image_is_cut_in_the_middle() {
        let mut picture = picture(2, 400);
        let mut random = Stream::new(0, [0; 4]);
        RandomResizedCrop::new(8, 8).apply(&mut picture, &mut random).unwrap();
        assert_eq!((picture.height, picture.width, picture.values.len()), (8, 8, 64));
    }
}
