//! Brightness, contrast, saturation and hue. Formulas and ranges are torchvision's `ColorJitter`; values stay in [0, 1].

use super::{Picture, Transform};
use crate::Result;
use crate::random::Stream;

/// Changes brightness, contrast, saturation and hue at random, in random order.
///
/// The first three are multiplied by factors between `1 - x` (at least 0) and `1 + x`; the hue turns by at most `hue`
/// of the colour circle (at most 0.5). Saturation and hue leave a grey image as it is.
#[derive(Clone, Debug, Default)]
pub struct ColorJitter {
    /// 0.2 is between 80 % and 120 %.
    pub brightness: f32,
    /// Distance from the mean brightness.
    pub contrast: f32,
    /// Distance from grey.
    pub saturation: f32,
    /// 0.1 is between -36° and 36°.
    pub hue: f32,
}

impl Transform for ColorJitter {
    fn apply(&self, picture: &mut Picture, random: &mut Stream) -> Result<()> {
        let mut order = [0, 1, 2, 3];
        random.shuffle(&mut order);
        let mut factor = |strength: f32| random.uniform((1.0 - strength).max(0.0), 1.0 + strength);
        let factors = [self.brightness, self.contrast, self.saturation].map(&mut factor);
        let turn = random.uniform(-self.hue, self.hue);
        for step in order {
            match step {
                0 => brightness(picture, factors[0]),
                1 => contrast(picture, factors[1]),
                2 => saturation(picture, factors[2]),
                _ => hue(picture, turn),
            }
        }
        Ok(())
    }
}

/// Multiplies all values.
pub fn brightness(picture: &mut Picture, factor: f32) {
    picture.map(|value| (value * factor).clamp(0.0, 1.0));
}

/// Moves all values away from the mean brightness, or towards it.
pub fn contrast(picture: &mut Picture, factor: f32) {
    let grey = picture.grey();
    let mean = grey.iter().map(|&value| f64::from(value)).sum::<f64>() / grey.len().max(1) as f64;
    picture.map(|value| blend(mean as f32, value, factor));
}

/// Moves colours away from grey, or towards it.
pub fn saturation(picture: &mut Picture, factor: f32) {
    let grey = picture.grey();
    for plane in picture.planes_mut() {
        plane.iter_mut().zip(&grey).for_each(|(value, grey)| *value = blend(*grey, *value, factor));
    }
}

/// `from` at factor 0, `to` at factor 1, beyond it above, within [0, 1].
pub fn blend(from: f32, to: f32, factor: f32) -> f32 {
    (from + (to - from) * factor).clamp(0.0, 1.0)
}

/// Turns the colour circle by `turn` of a full turn.
pub fn hue(picture: &mut Picture, turn: f32) {
    let size = picture.height * picture.width;
    if picture.channels != 3 || turn == 0.0 {
        return;
    }
    let (red, rest) = picture.values.split_at_mut(size);
    let (green, blue) = rest.split_at_mut(size);
    for ((r, g), b) in red.iter_mut().zip(green).zip(blue) {
        let [hue, saturation, value] = to_hsv([*r, *g, *b]);
        let turned = hue + turn;
        [*r, *g, *b] = from_hsv([turned - turned.floor(), saturation, value]);
    }
}

/// Hue (as a share of a full turn), saturation and value of a colour (A. R. Smith 1978, "Color gamut transform pairs").
fn to_hsv([r, g, b]: [f32; 3]) -> [f32; 3] {
    let (most, least) = (r.max(g).max(b), r.min(g).min(b));
    let range = most - least;
    if range <= 0.0 {
        return [0.0, 0.0, most];
    }
    let sixth = if most == r {
        (g - b) / range
    } else if most == g {
        2.0 + (b - r) / range
    } else {
        4.0 + (r - g) / range
    };
    let hue = sixth / 6.0;
    [hue - hue.floor(), range / most, most]
}

fn from_hsv([hue, saturation, value]: [f32; 3]) -> [f32; 3] {
    // Channel n at distance k from its peak: value × (1 - saturation × clamp(min(k, 4 - k), 0, 1)).
    [5.0, 3.0, 1.0].map(|n: f32| {
        let k = (n + hue * 6.0) % 6.0;
        value - value * saturation * k.min(4.0 - k).clamp(0.0, 1.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two pixels: a warm one and a cold one.
    fn picture() -> Picture {
        Picture { channels: 3, height: 1, width: 2, values: vec![0.8, 0.1, 0.4, 0.3, 0.2, 0.9] }
    }

    #[track_caller]
    fn check(change: impl Fn(&mut Picture), expected: [f32; 6]) {
        let mut picture = picture();
        change(&mut picture);
        let close = picture.values.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(close, "{:?}", picture.values);
    }

    /// The grey values are 0.4968 and 0.3086, their mean 0.4027; hue by Python's `colorsys`.
    #[test]
    fn each_change_has_its_formula() {
        check(|p| brightness(p, 1.5), [1.0, 0.15, 0.6, 0.45, 0.3, 1.0]);
        check(|p| contrast(p, 0.5), [0.60135, 0.25135, 0.40135, 0.35135, 0.30135, 0.65135]);
        check(|p| saturation(p, 0.0), [0.4968, 0.3086, 0.4968, 0.3086, 0.4968, 0.3086]);
        check(|p| hue(p, 0.25), [0.3, 0.9, 0.8, 0.1, 0.2, 0.7]);
        check(|p| hue(p, 1.0), picture().values.try_into().unwrap());
    }

    #[test]
    fn the_conversions_are_inverse() {
        let mut random = Stream::new(0, [0; 4]);
        for _ in 0..1000 {
            let colour = [0; 3].map(|_| random.uniform(0.0, 1.0));
            let back = from_hsv(to_hsv(colour));
            assert!(colour.iter().zip(back).all(|(a, b)| (a - b).abs() < 1e-5), "{colour:?} {back:?}");
        }
    }
}
