//! `quantile`: the number below which a given part of the elements lies.

use crate::Order;
use crate::ops::prelude::*;

/// What a quantile between two elements is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum QuantileMethod {
    /// In proportion to the distance from both.
    #[default]
    Linear,
    /// The lower of the two.
    Lower,
    /// The higher of the two.
    Higher,
    /// The nearer one; the one at an even position if both are equally near.
    Nearest,
    /// Halfway between.
    Midpoint,
}

#[fallible]
impl Tensor {
    /// The `q`-quantile (0 to 1) along `axis`, which disappears, interpolated linearly; NaN where there is one.
    pub fn quantile(&self, q: f64, axis: isize) -> Result<Tensor> {
        self.try_quantile_with(q, axis, QuantileMethod::Linear)
    }

    /// Several quantiles along `axis`, which disappears, as a new first axis.
    pub fn quantiles(&self, q: &[f64], axis: isize) -> Result<Tensor> {
        Tensor::try_stack(&q.iter().map(|&q| self.try_quantile(q, axis)).collect::<Result<Vec<_>>>()?, 0)
    }

    /// The `q`-quantile (0 to 1) along `axis`, with another rule for quantiles between two elements.
    pub fn quantile_with(&self, q: f64, axis: isize, method: QuantileMethod) -> Result<Tensor> {
        let (x, at) = self.floating()?.with_axis(axis, "quantile")?;
        let size = x.shape()[at];
        if !(0.0..=1.0).contains(&q) || size == 0 {
            let message =
                format!("needs q from 0 to 1 and at least one element, got q = {q} and shape {}", self.shape());
            return Err(Error::op("quantile", message));
        }
        let place = q * (size - 1) as f64;
        let (low, high) = (place.floor(), place.ceil());
        let (sorted, _) = x.try_sort(axis, Order::Ascending)?;
        let element = |place: f64| sorted.try_select(at as isize, place as isize);
        let value = match method {
            QuantileMethod::Lower => element(low)?,
            QuantileMethod::Higher => element(high)?,
            QuantileMethod::Nearest => element(place.round_ties_even())?,
            QuantileMethod::Linear => element(low)?.try_lerp(&element(high)?, place - low)?,
            QuantileMethod::Midpoint => element(low)?.try_lerp(&element(high)?, 0.5 * (high - low))?,
        };
        value.try_masked_fill(&sorted.try_isnan()?.try_any(at)?, f64::NAN)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("quantile", |a, x| {
        if let Some(list) = a.get("q").and_then(|q| q.as_array()) {
            let q: Vec<f64> = list.iter().filter_map(|q| q.as_f64()).collect();
            return vec![x[0].quantiles(&q, a.integer("dim"))];
        }
        let method = match a.text("interpolation") {
            "lower" => QuantileMethod::Lower,
            "higher" => QuantileMethod::Higher,
            "nearest" => QuantileMethod::Nearest,
            "midpoint" => QuantileMethod::Midpoint,
            _ => QuantileMethod::Linear,
        };
        vec![x[0].quantile_with(a.float("q"), a.integer("dim"), method)]
    })
}
