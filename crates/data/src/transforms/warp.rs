//! Rotation, translation, scale and shear.

use super::{Picture, Transform};
use crate::Result;
use crate::random::Stream;

/// An affine map of the plane from the coordinates of the result to those of the source, `[x, y]` in pixels from the
/// image's centre.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    /// Applied to `[x, y]`.
    pub matrix: [[f32; 2]; 2],
    /// Added afterwards.
    pub offset: [f32; 2],
}

impl Affine {
    /// Undoes a rotation by `degrees` (counter-clockwise as seen), a scaling and a shear (the tangents of its two angles),
    /// which are applied in the order shear, scaling, rotation, translation by `shift` pixels.
    pub fn undoing(degrees: f32, scale: f32, [shear_x, shear_y]: [f32; 2], shift: [f32; 2]) -> Affine {
        let angle = degrees.to_radians();
        // The y axis points down, so the sign of the sine is turned.
        let (sin, cos) = (-libm::sinf(angle) * scale, libm::cosf(angle) * scale);
        let shear = [[1.0, shear_x], [shear_y, 1.0]];
        let forward = [
            [cos * shear[0][0] - sin * shear[1][0], cos * shear[0][1] - sin * shear[1][1]],
            [sin * shear[0][0] + cos * shear[1][0], sin * shear[0][1] + cos * shear[1][1]],
        ];
        let determinant = forward[0][0] * forward[1][1] - forward[0][1] * forward[1][0];
        let matrix = [
            [forward[1][1] / determinant, -forward[0][1] / determinant],
            [-forward[1][0] / determinant, forward[0][0] / determinant],
        ];
        let offset = [0, 1].map(|row| -(matrix[row][0] * shift[0] + matrix[row][1] * shift[1]));
        Affine { matrix, offset }
    }
}

/// Fetches every pixel of the result from where `map` says, with bilinear interpolation; outside the image is black.
pub fn warp(picture: &mut Picture, map: &Affine) {
    let (height, width) = (picture.height, picture.width);
    let centre = [(width as f32 - 1.0) / 2.0, (height as f32 - 1.0) / 2.0];
    let pixel = |plane: &[f32], row: f32, column: f32| {
        let inside = row >= 0.0 && column >= 0.0 && row < height as f32 && column < width as f32;
        if inside { plane[row as usize * width + column as usize] } else { 0.0 }
    };
    picture.remake(height, width, |plane, row, column| {
        let [x, y] = [column as f32 - centre[0], row as f32 - centre[1]];
        let [x, y] =
            [0, 1].map(|axis| map.matrix[axis][0] * x + map.matrix[axis][1] * y + map.offset[axis] + centre[axis]);
        let (left, top) = (x.floor(), y.floor());
        let (right_share, bottom_share) = (x - left, y - top);
        let blend =
            |row: f32| pixel(plane, row, left) * (1.0 - right_share) + pixel(plane, row, left + 1.0) * right_share;
        blend(top) * (1.0 - bottom_share) + blend(top + 1.0) * bottom_share
    });
}

/// A random rotation, translation, scaling and shear; each is drawn uniformly from its range. Outside the image is black.
#[derive(Clone, Debug)]
pub struct RandomAffine {
    /// The rotation is between `-degrees` and `degrees`.
    pub degrees: f32,
    /// The greatest shift as a share of width and height.
    pub translate: [f32; 2],
    /// Least and greatest scale.
    pub scale: [f32; 2],
    /// The shear along x is between `-shear` and `shear` degrees.
    pub shear: f32,
}

impl RandomAffine {
    /// Only a rotation.
    pub fn rotation(degrees: f32) -> RandomAffine {
        RandomAffine { degrees, translate: [0.0; 2], scale: [1.0; 2], shear: 0.0 }
    }

    /// Only a shift.
    pub fn translation(share_of_width: f32, share_of_height: f32) -> RandomAffine {
        RandomAffine { degrees: 0.0, translate: [share_of_width, share_of_height], scale: [1.0; 2], shear: 0.0 }
    }
}

impl Transform for RandomAffine {
    fn apply(&self, picture: &mut Picture, random: &mut Stream) -> Result<()> {
        let mut within = |most: f32| random.uniform(-most, most);
        let degrees = within(self.degrees);
        let shift =
            [within(self.translate[0]) * picture.width as f32, within(self.translate[1]) * picture.height as f32];
        let shear = libm::tanf(within(self.shear).to_radians());
        let scale = random.uniform(self.scale[0], self.scale[1]);
        warp(picture, &Affine::undoing(degrees, scale, [shear, 0.0], shift));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warped(map: &Affine) -> Picture {
        let mut picture =
            Picture { channels: 1, height: 3, width: 3, values: (1..=9).map(|value| value as f32).collect() };
        warp(&mut picture, map);
        picture
    }

    #[track_caller]
    fn close(picture: &Picture, expected: &[f32]) {
        let close = picture.values.iter().zip(expected).all(|(a, b)| (a - b).abs() < 2e-5);
        assert!(close, "{:?}", picture.values);
    }

    #[test]
    fn a_quarter_turn_counter_clockwise() {
        close(&warped(&Affine::undoing(90.0, 1.0, [0.0; 2], [0.0; 2])), &[3.0, 6.0, 9.0, 2.0, 5.0, 8.0, 1.0, 4.0, 7.0]);
    }

    #[test]
    fn a_shift_to_the_right_and_down() {
        close(
            &warped(&Affine::undoing(0.0, 1.0, [0.0; 2], [1.0, 1.0])),
            &[0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 0.0, 4.0, 5.0],
        );
    }

    /// PyTorch: `grid_sample(x, affine_grid(theta), align_corners=False)` with the same map.
    #[test]
    fn a_turn_with_scale_and_shear_equals_pytorch() {
        close(&warped(&Affine::undoing(30.0, 1.2, [0.25, 0.0], [0.5, -0.25])), &WARPED);
    }

    const WARPED: [f32; 9] = [1.268555, 2.890258, 4.75778, 2.464819, 4.458233, 6.325755, 1.581572, 5.746118, 6.727185];

    #[test]
    fn a_random_map_keeps_the_size() {
        let mut picture = Picture { channels: 3, height: 4, width: 6, values: vec![1.0; 72] };
        let affine = RandomAffine { degrees: 30.0, translate: [0.1; 2], scale: [0.8, 1.2], shear: 10.0 };
        affine.apply(&mut picture, &mut Stream::new(1, [0; 4])).unwrap();
        assert_eq!(picture.values.len(), 72);
        assert!(picture.values.iter().all(|value| (0.0..=1.0001).contains(value)));
    }
}
