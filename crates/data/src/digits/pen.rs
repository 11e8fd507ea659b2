//! The pen: anti-aliased drawing of strokes whose width changes along the way.

use super::glyphs::Point;
use super::{PIXELS, SIDE};

/// Where the pen is and how wide it presses there (radius in pixels).
#[derive(Clone, Copy, Debug)]
pub struct Touch {
    pub at: Point,
    pub radius: f32,
}

/// Draws the line through `touches` with full `ink`; where lines cross, the darker one wins.
///
/// A pixel's value is how far its centre lies inside the pen's disc, clipped to `[0, 1]`: a box filter one pixel wide
/// across the edge, which is what anti-aliasing needs.
pub fn draw(touches: &[Touch], ink: f32, image: &mut [f32; PIXELS]) {
    for pair in touches.windows(2) {
        let [from, to] = [pair[0], pair[1]];
        let reach = from.radius.max(to.radius) + 0.5;
        let [columns, rows] = [0, 1].map(|axis| {
            let (low, high) = (from.at[axis].min(to.at[axis]), from.at[axis].max(to.at[axis]));
            let pixel = |coordinate: f32| coordinate.clamp(0.0, SIDE as f32) as usize;
            pixel(low - reach)..pixel(high + reach + 1.0)
        });
        let along = [to.at[0] - from.at[0], to.at[1] - from.at[1]];
        let scale = 1.0 / (along[0] * along[0] + along[1] * along[1]).max(1e-6);
        for row in rows {
            for column in columns.clone() {
                let [x, y] = [column as f32 + 0.5 - from.at[0], row as f32 + 0.5 - from.at[1]];
                let share = ((x * along[0] + y * along[1]) * scale).clamp(0.0, 1.0);
                let [x, y] = [x - share * along[0], y - share * along[1]];
                let radius = from.radius + share * (to.radius - from.radius);
                let cover = (radius + 0.5 - (x * x + y * y).sqrt()).clamp(0.0, 1.0);
                let pixel = &mut image[row * SIDE + column];
                *pixel = pixel.max(ink * cover);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_covers_the_area_of_its_disc() {
        let mut image = [0.0; PIXELS];
        let dot = Touch { at: [14.0, 14.0], radius: 5.0 };
        draw(&[dot, dot], 1.0, &mut image);
        let area: f32 = image.iter().sum();
        let disc = std::f32::consts::PI * 25.0;
        assert!((area - disc).abs() < 0.02 * disc, "{area} instead of {disc}");
    }

    #[test]
    fn a_line_that_leaves_the_image_is_clipped() {
        let mut image = [0.0; PIXELS];
        let [from, to] = [[-40.0, 14.0], [90.0, 14.0]].map(|at| Touch { at, radius: 1.0 });
        draw(&[from, to], 0.5, &mut image);
        let area: f32 = image.iter().sum();
        assert!((area - 0.5 * 2.0 * SIDE as f32).abs() < 1e-3, "{area}");
    }
}
