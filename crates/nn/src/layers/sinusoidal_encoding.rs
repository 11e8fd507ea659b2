//! `SinusoidalEncoding`: positions as waves (Vaswani et al., NIPS 2017, section 3.5).

use crate::Layer;
use hadal_core::{Error, Module, Result, Tag, Tensor};

/// Adds to step `p` of `[batch, steps, width]` the numbers `sin(p / 10000^(2i/width))` at the features `2i` and the
/// cosines beside them at `2i + 1`. It has no parameters and takes sequences of any length.
///
/// ```
/// use hadal_core::Tensor;
/// use hadal_nn::{Layer, layers::SinusoidalEncoding};
/// let y = SinusoidalEncoding::new(4).forward(&Tensor::zeros([1, 2, 4])).to_vec::<f32>();
/// assert_eq!(y[..4], [0.0, 1.0, 0.0, 1.0]);
/// assert_eq!(y[4..], [1f32.sin(), 1f32.cos(), 0.01f32.sin(), 0.01f32.cos()]);
/// ```
#[derive(Debug, Module)]
pub struct SinusoidalEncoding {
    width: usize,
    tag: Tag,
}

impl SinusoidalEncoding {
    /// For sequences of `width` features.
    pub const fn new(width: usize) -> SinusoidalEncoding {
        SinusoidalEncoding { width, tag: Tag::new("SinusoidalEncoding") }
    }

    /// `[steps, width]` in `f64`.
    fn table(&self, steps: usize) -> Tensor {
        let value = |i: usize| {
            let (step, feature) = (i / self.width, i % self.width);
            let angle = step as f64 * libm::pow(10000.0, -((feature - feature % 2) as f64) / self.width as f64);
            if feature % 2 == 0 { libm::sin(angle) } else { libm::cos(angle) }
        };
        Tensor::from_vec((0..steps * self.width).map(value).collect(), [steps, self.width])
    }

    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let [_, steps, width] = x.shape()[..] else { return Err(self.misshapen(x)) };
        if width != self.width {
            return Err(self.misshapen(x));
        }
        x.try_add(self.table(steps).try_to_dtype(x.dtype())?)
    }

    fn misshapen(&self, x: &Tensor) -> Error {
        let message = format!("expects sequences [batch, steps, {}], got {}", self.width, x.shape());
        Error::op("SinusoidalEncoding", message)
    }
}

impl Layer for SinusoidalEncoding {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.tag.call(x, || self.apply(x))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// sin and cos of 2 and of 2/10000^(2/5), and the sine of 2/10000^(4/5).
    #[test]
    fn an_odd_width_ends_with_a_sine() {
        let table = SinusoidalEncoding::new(5).table(3).to_vec::<f64>();
        let expected = [
            0.909_297_426_825_681_7,
            -0.416_146_836_547_142_4,
            0.050_216_599_387_465_21,
            0.998_738_350_693_493_1,
            0.001_261_914_354_042_222,
        ];
        assert!(table[10..].iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-14), "{table:?}");
    }

    #[test]
    fn mistakes_are_explained() {
        let error = SinusoidalEncoding::new(4).apply(&Tensor::zeros([2, 4])).unwrap_err().to_string();
        assert_eq!(error, "SinusoidalEncoding expects sequences [batch, steps, 4], got [2, 4]");
    }
}
