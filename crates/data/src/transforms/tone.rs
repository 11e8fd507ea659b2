//! Changes of tone that the augmentation policies use, as Pillow's `ImageOps` and `ImageEnhance` define them.

use super::Picture;
use super::color::blend;

/// A value in [0, 1] as one of 256 levels.
fn level(value: f32) -> usize {
    (value * 255.0 + 0.5).clamp(0.0, 255.0) as usize
}

/// Keeps the `bits` most significant of eight bits.
pub fn posterize(picture: &mut Picture, bits: u32) {
    let mask = 0xff_usize << (8 - bits.min(8)) & 0xff;
    picture.map(|value| (level(value) & mask) as f32 / 255.0);
}

/// Turns what is at least as bright as `threshold` into its negative.
pub fn solarize(picture: &mut Picture, threshold: f32) {
    picture.map(|value| if value >= threshold { 1.0 - value } else { value });
}

/// Stretches each channel so that its darkest value becomes 0 and its brightest 1.
pub fn autocontrast(picture: &mut Picture) {
    for plane in picture.planes_mut() {
        let (least, most) = plane.iter().fold((f32::MAX, f32::MIN), |(l, m), &value| (l.min(value), m.max(value)));
        if most > least {
            plane.iter_mut().for_each(|value| *value = (*value - least) / (most - least));
        }
    }
}

/// Spreads each channel's values so that every level occurs about equally often.
pub fn equalize(picture: &mut Picture) {
    for plane in picture.planes_mut() {
        let mut counts = [0usize; 256];
        plane.iter().for_each(|&value| counts[level(value)] += 1);
        let brightest = counts.iter().rposition(|&count| count > 0).map_or(0, |level| counts[level]);
        let step = (plane.len() - brightest) / 255;
        if step == 0 {
            continue;
        }
        let mut below = step / 2;
        let table = counts.map(|count| {
            let spread = (below / step).min(255);
            below += count;
            spread as f32 / 255.0
        });
        plane.iter_mut().for_each(|value| *value = table[level(*value)]);
    }
}

/// Moves the image away from a smoothed one, or towards it; the border stays.
pub fn sharpness(picture: &mut Picture, factor: f32) {
    let (height, width) = (picture.height, picture.width);
    picture.remake(height, width, |plane, row, column| {
        let value = plane[row * width + column];
        if row == 0 || column == 0 || row + 1 == height || column + 1 == width {
            return value;
        }
        let around: f32 = (row - 1..=row + 1).map(|r| plane[r * width + column - 1..][..3].iter().sum::<f32>()).sum();
        // The kernel [1 1 1; 1 5 1; 1 1 1] / 13.
        blend((around + 4.0 * value) / 13.0, value, factor)
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(height: usize, width: usize, levels: impl IntoIterator<Item = u8>) -> Picture {
        let values = levels.into_iter().map(|level| f32::from(level) / 255.0).collect();
        Picture { channels: 1, height, width, values }
    }

    fn levels(picture: &Picture) -> Vec<usize> {
        picture.values.iter().map(|&value| level(value)).collect()
    }

    /// The expected values are Pillow's for the same bytes.
    #[test]
    fn equal_pillow() {
        let bytes = [10, 60, 61, 130, 200, 250];
        let mut one = picture(1, 6, bytes);
        posterize(&mut one, 2);
        assert_eq!(levels(&one), [0, 0, 0, 128, 192, 192]);
        let mut one = picture(1, 6, bytes);
        solarize(&mut one, 130.0 / 255.0);
        assert_eq!(levels(&one), [10, 60, 61, 125, 55, 5]);
        let mut one = picture(1, 6, bytes);
        autocontrast(&mut one);
        // Pillow cuts fractions off: one level less at times.
        assert!(levels(&one).iter().zip([0, 53, 54, 127, 201, 255]).all(|(a, b)| a - b <= 1), "{one:?}");
        let mut one = picture(3, 3, [10, 60, 61, 130, 200, 250, 5, 7, 9]);
        sharpness(&mut one, 0.0);
        assert_eq!(levels(&one)[4], 118);
    }

    /// 600 pixels of the levels 100 to 119; Pillow's `equalize` of the same bytes.
    #[test]
    fn equalize_spreads_the_levels() {
        let mut one = picture(20, 30, (0..600).map(|i| 100 + (i % 20) as u8));
        equalize(&mut one);
        let firsts: Vec<usize> = levels(&one)[..20].to_vec();
        assert_eq!(firsts, EQUALIZED);
    }

    const EQUALIZED: [usize; 20] =
        [0, 15, 30, 45, 60, 75, 90, 105, 120, 135, 150, 165, 180, 195, 210, 225, 240, 255, 255, 255];

    #[test]
    fn a_flat_image_stays() {
        for change in [autocontrast, equalize] {
            let mut flat = picture(4, 4, [77; 16]);
            change(&mut flat);
            assert_eq!(levels(&flat), [77; 16]);
        }
    }
}
