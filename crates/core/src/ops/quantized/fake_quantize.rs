//! `fake_quantize`: numbers rounded to those that a few bits can stand for, with the gradient passed straight through
//! (Jacob et al. 2018, arXiv 1712.05877).

use crate::ops::prelude::*;

#[derive(Debug)]
struct FakeQuantize {
    scale: f64,
    /// The steps below and above 0.
    low: f64,
    high: f64,
}

impl Function for FakeQuantize {
    const NAME: &'static str = "fake_quantize";
    const READS: Reads = Reads::INPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        let (low, high) = (T::of(self.low), T::of(self.high));
        let steps = (x * T::of(1.0 / self.scale)).round_ties_even();
        let steps = if steps < low { low } else { steps };
        (if steps > high { high } else { steps }) * T::of(self.scale)
    }

    /// 1 where the number of steps is in range, else 0.
    fn pull(&self, g: &Grad) -> Tensor {
        let steps = g.input(0).mul(1.0 / self.scale).round();
        let outside = steps.lt(self.low).logical_or(steps.gt(self.high));
        outside.where_(0, g.of(0))
    }
}

#[fallible]
impl Tensor {
    /// `scale · (q − zero)` with `q = round(self / scale) + zero`, ties to even, at least `range.start()` and at most
    /// `range.end()`: what is left of a number that is stored in as many steps. The derivative is 1 where `q` is within the
    /// range, else 0.
    pub fn fake_quantize(&self, scale: f64, zero: i32, range: std::ops::RangeInclusive<i32>) -> Result<Tensor> {
        if scale.is_nan() || scale <= 0.0 {
            return Err(Error::op("fake_quantize", format!("needs a positive scale, got {scale}")));
        }
        if !range.contains(&zero) {
            return Err(Error::op("fake_quantize", format!("needs a zero point within {range:?}, got {zero}")));
        }
        let steps = |q: &i32| f64::from(*q) - f64::from(zero);
        apply(FakeQuantize { scale, low: steps(range.start()), high: steps(range.end()) }, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    // Worked by hand: steps of 1/4 from −2 to 5, of which the first number makes −3, the last 6, and the third 2.5.
    Cases::new("fake_quantize", |_, x| vec![x[0].fake_quantize(0.25, 2, 0..=7)]).with(
        "by_hand",
        r#"{"smooth": false}"#,
        &[Tensor::from([-0.75f64, -0.5, 0.625, 0.3, 1.25, 1.5, f64::NAN])],
        &[Tensor::from([-0.5f64, -0.5, 0.5, 0.25, 1.25, 1.25, f64::NAN])],
    )
}

#[cfg(test)]
mod tests {
    use crate::{Param, Tensor};

    #[test]
    fn the_gradient_passes_where_the_steps_are_in_range() {
        let x = Param::new(Tensor::from([-0.75f32, -0.6, -0.5, 0.0, 1.3, 1.5]));
        let gradients = x.get().fake_quantize(0.25, 2, 0..=7).sum(..).backward();
        assert_eq!(gradients.get(&x).unwrap().to_vec::<f32>(), [0.0, 1.0, 1.0, 1.0, 1.0, 0.0]);
    }
}
