//! Accuracy and top-k accuracy.

use super::{Classes, Metric};
use hadal_core::{Error, Result, Tensor};

/// The share of samples whose largest score is at the right class.
///
/// Which kind is told from the shapes, as in Keras: class indices, one-hot rows, or 0/1 targets for a single
/// score per sample.
#[derive(Clone, Debug)]
pub struct Accuracy {
    threshold: f64,
    right: u64,
    seen: u64,
}

impl Accuracy {
    /// For class scores, or single scores that are probabilities (threshold 0.5).
    pub fn new() -> Accuracy {
        Accuracy::with_threshold(0.5)
    }

    /// For single scores above or below another threshold: 0 for logits.
    pub fn with_threshold(threshold: f64) -> Accuracy {
        Accuracy { threshold, right: 0, seen: 0 }
    }
}

impl Default for Accuracy {
    fn default() -> Accuracy {
        Accuracy::new()
    }
}

impl Metric for Accuracy {
    fn name(&self) -> String {
        "accuracy".into()
    }

    fn update(&mut self, prediction: &Tensor, target: &Tensor) -> Result<()> {
        let pairs = Classes::of("accuracy", prediction, target, self.threshold)?.pairs();
        self.right += pairs.iter().filter(|(p, a)| p == a).count() as u64;
        self.seen += pairs.len() as u64;
        Ok(())
    }

    fn value(&self) -> f64 {
        self.right as f64 / self.seen as f64
    }

    fn reset(&mut self) {
        (self.right, self.seen) = (0, 0);
    }
}

/// The share of samples whose class is among the `k` largest scores. Of equal scores the first counts as larger.
#[derive(Clone, Debug)]
pub struct TopK {
    k: usize,
    right: u64,
    seen: u64,
}

impl TopK {
    /// Among the `k` largest.
    ///
    /// # Panics
    /// If `k` is 0.
    #[track_caller]
    pub fn new(k: usize) -> TopK {
        if k == 0 {
            Error::op("top_k", "needs at least the largest score, k = 1; got k = 0").raise();
        }
        TopK { k, right: 0, seen: 0 }
    }
}

impl Metric for TopK {
    fn name(&self) -> String {
        format!("top_{}_accuracy", self.k)
    }

    fn update(&mut self, prediction: &Tensor, target: &Tensor) -> Result<()> {
        let Classes::Many { scores, classes, actual } = Classes::of("top_k", prediction, target, 0.5)? else {
            return Err(Error::op("top_k", format!("needs one score per class, got shape {}", prediction.shape())));
        };
        for (row, &class) in scores.chunks(classes).zip(&actual) {
            let ahead = |(i, score): (usize, &f32)| *score > row[class] || *score == row[class] && i < class;
            self.right += (row.iter().enumerate().filter(|&e| ahead(e)).count() < self.k) as u64;
        }
        self.seen += actual.len() as u64;
        Ok(())
    }

    fn value(&self) -> f64 {
        self.right as f64 / self.seen as f64
    }

    fn reset(&mut self) {
        (self.right, self.seen) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accuracy_weighs_a_short_last_batch_by_its_samples() {
        let mut metric = Accuracy::new();
        assert!(metric.value().is_nan());
        let scores = Tensor::from([[0.1f32, 0.9], [0.8, 0.2], [0.3, 0.7]]);
        metric.update(&scores, &Tensor::from([1i64, 0, 0])).unwrap();
        metric.update(&Tensor::from([[0.0f32, 1.0]]), &Tensor::from([[1i64]])).unwrap();
        assert_eq!(metric.value(), 0.75);
        metric.reset();
        metric.update(&scores, &Tensor::from([[0.0f32, 1.0], [1.0, 0.0], [0.0, 1.0]])).unwrap();
        assert_eq!(metric.value(), 1.0);
    }

    #[test]
    fn single_scores_are_binary() {
        let mut metric = Accuracy::with_threshold(0.0);
        metric.update(&Tensor::from([[-1.0f32], [2.0], [0.5]]), &Tensor::from([0i64, 1, 0])).unwrap();
        assert!((metric.value() - 2.0 / 3.0).abs() < 1e-15);
    }

    #[test]
    fn a_label_out_of_range_names_its_sample() {
        let error = Accuracy::new().update(&Tensor::from([[0.1f32, 0.9], [0.8, 0.2]]), &Tensor::from([0i64, 2]));
        assert_eq!(error.unwrap_err().to_string(), "accuracy found label 2 at sample 1; labels are 0 to 1");
    }

    #[test]
    fn top_k_counts_ranks() {
        let scores = Tensor::from([[0.1f32, 0.5, 0.4], [0.6, 0.3, 0.1], [0.2, 0.2, 0.6]]);
        let mut metric = TopK::new(2);
        metric.update(&scores, &Tensor::from([2i64, 2, 1])).unwrap();
        assert!((metric.value() - 1.0 / 3.0).abs() < 1e-15);
    }
}
