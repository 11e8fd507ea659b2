//! Metrics of predicted numbers.

use super::Metric;
use hadal_core::{Error, Result, Tensor};

/// Prediction and target as numbers; their shapes must be equal, never broadcast.
fn numbers(metric: &str, prediction: &Tensor, target: &Tensor) -> Result<Vec<(f64, f64)>> {
    if prediction.shape() != target.shape() {
        let message = format!(
            "needs predictions and targets of one shape, got {} and {}; reshape one of them",
            prediction.shape(),
            target.shape()
        );
        return Err(Error::op(metric, message));
    }
    Ok(prediction.to_f64_vec().into_iter().zip(target.to_f64_vec()).collect())
}

/// The mean of |prediction − target|.
#[derive(Clone, Debug, Default)]
pub struct MeanAbsoluteError {
    sum: f64,
    count: f64,
}

impl Metric for MeanAbsoluteError {
    fn name(&self) -> String {
        "mae".into()
    }

    fn update(&mut self, prediction: &Tensor, target: &Tensor) -> Result<()> {
        for (p, t) in numbers("mae", prediction, target)? {
            self.sum += (p - t).abs();
            self.count += 1.0;
        }
        Ok(())
    }

    fn value(&self) -> f64 {
        self.sum / self.count
    }

    fn reset(&mut self) {
        *self = Self::default();
    }
}

/// The square root of the mean of (prediction − target)².
#[derive(Clone, Debug, Default)]
pub struct RootMeanSquaredError {
    sum: f64,
    count: f64,
}

impl Metric for RootMeanSquaredError {
    fn name(&self) -> String {
        "rmse".into()
    }

    fn update(&mut self, prediction: &Tensor, target: &Tensor) -> Result<()> {
        for (p, t) in numbers("rmse", prediction, target)? {
            self.sum += (p - t) * (p - t);
            self.count += 1.0;
        }
        Ok(())
    }

    fn value(&self) -> f64 {
        (self.sum / self.count).sqrt()
    }

    fn reset(&mut self) {
        *self = Self::default();
    }
}

/// The coefficient of determination, 1 − Σ(prediction − target)² / Σ(target − mean)².
#[derive(Clone, Debug, Default)]
pub struct R2 {
    residual: f64,
    count: f64,
    mean: f64,
    /// Σ(target − mean)², by Welford's update, which does not cancel.
    spread: f64,
}

impl Metric for R2 {
    fn name(&self) -> String {
        "r2".into()
    }

    fn update(&mut self, prediction: &Tensor, target: &Tensor) -> Result<()> {
        for (p, t) in numbers("r2", prediction, target)? {
            self.residual += (p - t) * (p - t);
            self.count += 1.0;
            let delta = t - self.mean;
            self.mean += delta / self.count;
            self.spread += delta * (t - self.mean);
        }
        Ok(())
    }

    fn value(&self) -> f64 {
        1.0 - self.residual / self.spread
    }

    fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of scikit-learn's `r2_score`: y = [3, −0.5, 2, 7], p = [2.5, 0, 2, 8] gives 0.948…;
    /// its mean absolute error is 0.5 and its mean squared error 0.375.
    #[test]
    fn agree_with_scikit_learn() {
        let (p, t) = (Tensor::from([2.5f32, 0.0, 2.0, 8.0]), Tensor::from([3.0f32, -0.5, 2.0, 7.0]));
        let of = |mut metric: Box<dyn Metric>| {
            metric.update(&p, &t).unwrap();
            metric.value()
        };
        assert_eq!(of(Box::<MeanAbsoluteError>::default()), 0.5);
        assert_eq!(of(Box::<RootMeanSquaredError>::default()), 0.375f64.sqrt());
        assert!((of(Box::<R2>::default()) - 0.948_608_137_044_967_9).abs() < 1e-12);
    }

    #[test]
    fn a_column_against_a_row_is_refused() {
        let error = R2::default().update(&Tensor::zeros([4, 1]), &Tensor::zeros([4])).unwrap_err().to_string();
        assert_eq!(error, "r2 needs predictions and targets of one shape, got [4, 1] and [4]; reshape one of them");
    }
}
