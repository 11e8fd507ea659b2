//! Scaling.

use super::{Picture, Transform};
use crate::random::Stream;
use crate::{Error, Result};

/// Scales to `height` × `width`, whatever the proportions were.
#[derive(Clone, Debug)]
pub struct Resize {
    /// Rows of the result.
    pub height: usize,
    /// Columns of the result.
    pub width: usize,
}

impl Transform for Resize {
    fn apply(&self, picture: &mut Picture, _: &mut Stream) -> Result<()> {
        resize(picture, self.height, self.width)
    }
}

/// Scales so that the shorter side has this many pixels; the proportions stay.
#[derive(Clone, Debug)]
pub struct ResizeShorterSide {
    /// Pixels of the shorter side of the result.
    pub side: usize,
}

impl Transform for ResizeShorterSide {
    fn apply(&self, picture: &mut Picture, _: &mut Stream) -> Result<()> {
        let shorter = picture.height.min(picture.width).max(1);
        let scaled = |side: usize| side * self.side / shorter;
        resize(picture, scaled(picture.height), scaled(picture.width))
    }
}

/// Bilinear scaling with antialiasing: a triangle filter as wide as two pixels of the coarser grid, one axis after the
/// other. The same as Pillow's `BILINEAR` and PyTorch's `interpolate(mode="bilinear", antialias=True)`.
pub fn resize(picture: &mut Picture, height: usize, width: usize) -> Result<()> {
    if height == 0 || width == 0 || picture.values.is_empty() {
        let Picture { height: rows, width: columns, .. } = picture;
        return Err(Error::invalid(format!("cannot resize an image of {rows} × {columns} to {height} × {width}")));
    }
    if width != picture.width {
        let (filters, columns, rows) = (filters(picture.width, width), picture.width, picture.height);
        picture.remake(rows, width, |plane, row, column| {
            let (first, weights) = &filters[column];
            weights.iter().zip(&plane[row * columns + first..]).map(|(weight, value)| weight * value).sum()
        });
    }
    if height != picture.height {
        let (filters, columns) = (filters(picture.height, height), picture.width);
        picture.remake(height, columns, |plane, row, column| {
            let (first, weights) = &filters[row];
            let values = plane[first * columns + column..].iter().step_by(columns);
            weights.iter().zip(values).map(|(weight, value)| weight * value).sum()
        });
    }
    Ok(())
}

/// For each of `to` pixels, the first of `from` pixels that it is made of, and their weights.
fn filters(from: usize, to: usize) -> Vec<(usize, Vec<f32>)> {
    let scale = from as f64 / to as f64;
    let reach = scale.max(1.0);
    let filter = |position: usize| {
        let centre = (position as f64 + 0.5) * scale;
        let first = (centre - reach + 0.5).max(0.0) as usize;
        let end = ((centre + reach + 0.5) as usize).min(from);
        let weight = |pixel: usize| (1.0 - ((pixel as f64 + 0.5 - centre) / reach).abs()).max(0.0);
        let sum: f64 = (first..end).map(weight).sum();
        (first, (first..end).map(|pixel| (weight(pixel) / sum) as f32).collect())
    };
    (0..to).map(filter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(height: usize, width: usize, expected: &[f32]) {
        // Squares modulo 7 on 3 × 5.
        let values = (0..15).map(|i| (i * i % 7) as f32).collect();
        let mut picture = Picture { channels: 1, height: 3, width: 5, values };
        resize(&mut picture, height, width).unwrap();
        let close = picture.values.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(close && picture.values.len() == expected.len(), "{:?}", picture.values);
    }

    /// The expected values are PyTorch's `interpolate(mode="bilinear", antialias=True, align_corners=False)`.
    #[test]
    fn equals_pytorch() {
        check(2, 3, &RESIZED_2_3);
        check(5, 7, &RESIZED_5_7);
    }

    const RESIZED_2_3: [f32; 6] = [1.285714, 1.972222, 2.267857, 2.267857, 1.972222, 1.285714];
    const RESIZED_5_7: [f32; 35] = [
        0.0, 0.571429, 1.857143, 4.0, 2.571428, 2.0, 2.0, 1.6, 1.257143, 1.4, 2.4, 1.828571, 2.114286, 2.8, 4.0,
        2.285714, 0.714286, 0.0, 0.714286, 2.285714, 4.0, 2.8, 2.114286, 1.828572, 2.400001, 1.4, 1.257143, 1.599999,
        2.0, 2.0, 2.571429, 4.0, 1.857142, 0.571429, 0.0,
    ];

    #[test]
    fn the_shorter_side_decides() {
        let mut picture = Picture { channels: 2, height: 20, width: 30, values: vec![0.5; 1200] };
        ResizeShorterSide { side: 10 }.apply(&mut picture, &mut Stream::new(0, [0; 4])).unwrap();
        assert_eq!((picture.height, picture.width, picture.values.len()), (10, 15, 300));
        assert!(picture.values.iter().all(|value| (value - 0.5).abs() < 1e-6));
    }
}
