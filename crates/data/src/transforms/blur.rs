//! Blurring.

use super::{Picture, Transform};
use crate::random::Stream;
use crate::{Error, Result};

/// Convolves with a Gaussian whose standard deviation in pixels is drawn uniformly from a range; the image is reflected at
/// its border.
#[derive(Clone, Debug)]
pub struct GaussianBlur {
    kernel_size: usize,
    sigma: [f32; 2],
}

impl GaussianBlur {
    /// A kernel of `kernel_size` × `kernel_size` pixels and a standard deviation from `least` to `most`.
    ///
    /// # Panics
    /// When the kernel size is even, or the standard deviation is not positive.
    #[track_caller]
    pub fn new(kernel_size: usize, least: f32, most: f32) -> GaussianBlur {
        assert!(kernel_size % 2 == 1, "gaussian blur: the kernel size {kernel_size} is not odd");
        assert!(least > 0.0 && most >= least, "gaussian blur: no standard deviations from {least} to {most}");
        GaussianBlur { kernel_size, sigma: [least, most] }
    }
}

impl Transform for GaussianBlur {
    fn apply(&self, picture: &mut Picture, random: &mut Stream) -> Result<()> {
        let radius = self.kernel_size / 2;
        let (height, width) = (picture.height, picture.width);
        if radius >= height.min(width) {
            let message = format!("a blur of {} pixels needs a larger image than {height} × {width}", self.kernel_size);
            return Err(Error::invalid(message));
        }
        let kernel = kernel(self.kernel_size, random.uniform(self.sigma[0], self.sigma[1]));
        let taps = |position: usize, size: usize| {
            kernel.iter().enumerate().map(move |(tap, weight)| (reflect(position + tap, radius, size), weight))
        };
        picture.remake(height, width, |plane, row, column| {
            taps(column, width).map(|(column, weight)| weight * plane[row * width + column]).sum()
        });
        picture.remake(height, width, |plane, row, column| {
            taps(row, height).map(|(row, weight)| weight * plane[row * width + column]).sum()
        });
        Ok(())
    }
}

/// `position - radius`, reflected into `0..size` without repeating the border.
fn reflect(position: usize, radius: usize, size: usize) -> usize {
    let inside = position.abs_diff(radius);
    if inside < size { inside } else { 2 * (size - 1) - inside }
}

fn kernel(size: usize, sigma: f32) -> Vec<f32> {
    let radius = (size / 2) as f32;
    let weight = |tap: usize| {
        let distance = (tap as f32 - radius) / sigma;
        libm::expf(-0.5 * distance * distance)
    };
    let weights: Vec<f32> = (0..size).map(weight).collect();
    let sum: f32 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_border_is_reflected() {
        assert_eq!((0..6).map(|position| reflect(position, 1, 4)).collect::<Vec<_>>(), [1, 0, 1, 2, 3, 2]);
    }

    /// PyTorch: `pad(mode="reflect")`, then `conv2d` with the outer product of the kernel, sigma 0.8.
    #[test]
    fn equals_pytorch() {
        let values = (0..15).map(|i| (i * i % 7) as f32).collect();
        let mut picture = Picture { channels: 1, height: 3, width: 5, values };
        GaussianBlur::new(3, 0.8, 0.8).apply(&mut picture, &mut Stream::new(0, [0; 4])).unwrap();
        assert!(picture.values.iter().zip(BLURRED).all(|(a, b)| (a - b).abs() < 1e-5), "{:?}", picture.values);
    }

    const BLURRED: [f32; 15] = [
        1.476051, 1.477989, 1.69273, 2.0, 2.270558, 1.931725, 1.716983, 1.590287, 1.716983, 1.931725, 2.270558, 2.0,
        1.69273, 1.477989, 1.476051,
    ];

    #[test]
    #[should_panic(expected = "the kernel size 4 is not odd")]
    fn an_even_kernel() {
        let _ = GaussianBlur::new(4, 0.1, 2.0);
    }
}
