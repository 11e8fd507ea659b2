//! The confusion matrix, and what follows from it: precision, recall, F-beta.

use super::{Classes, Metric};
use hadal_core::{Error, Result, Tensor};
use std::fmt;

/// How often each class was predicted as each: rows are actual classes, columns predicted ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfusionMatrix {
    classes: usize,
    counts: Vec<u64>,
}

/// How per-class values become one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Averaging {
    /// Counts of all classes together; equals accuracy when every sample has one class.
    Micro,
    /// The mean over classes. A class without samples and predictions counts as 0, as in scikit-learn.
    Macro,
    /// The mean weighted by the number of samples of each class.
    Weighted,
    /// Class 1 alone: the usual meaning for two classes.
    Binary,
}

/// True positives, predicted positives, actual positives.
type Counts = (f64, f64, f64);

impl ConfusionMatrix {
    /// For this many classes (2 for single scores).
    pub fn new(classes: usize) -> ConfusionMatrix {
        ConfusionMatrix { classes, counts: vec![0; classes * classes] }
    }

    /// Takes in a batch; single scores are probabilities with threshold 0.5.
    pub fn update(&mut self, prediction: &Tensor, target: &Tensor) -> Result<()> {
        for (predicted, actual) in Classes::of("confusion_matrix", prediction, target, 0.5)?.pairs() {
            if predicted.max(actual) >= self.classes {
                let message = format!("for {} classes met class {}", self.classes, predicted.max(actual));
                return Err(Error::op("confusion_matrix", message));
            }
            self.counts[actual * self.classes + predicted] += 1;
        }
        Ok(())
    }

    /// How many samples of class `actual` were predicted as `predicted`.
    pub fn count(&self, actual: usize, predicted: usize) -> u64 {
        self.counts[actual * self.classes + predicted]
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    fn of_class(&self, class: usize) -> Counts {
        let predicted: u64 = (0..self.classes).map(|i| self.count(i, class)).sum();
        let actual: u64 = (0..self.classes).map(|i| self.count(class, i)).sum();
        (self.count(class, class) as f64, predicted as f64, actual as f64)
    }

    fn average(&self, average: Averaging, value: impl Fn(Counts) -> f64) -> f64 {
        let all: Vec<Counts> = (0..self.classes).map(|c| self.of_class(c)).collect();
        match average {
            Averaging::Binary => value(all[1]),
            Averaging::Micro => value(all.iter().fold((0.0, 0.0, 0.0), |s, c| (s.0 + c.0, s.1 + c.1, s.2 + c.2))),
            Averaging::Macro => all.iter().map(|&c| value(c)).sum::<f64>() / all.len() as f64,
            Averaging::Weighted => {
                let samples: f64 = all.iter().map(|c| c.2).sum();
                all.iter().map(|&c| value(c) * c.2).sum::<f64>() / samples
            }
        }
    }

    /// Of the samples predicted as a class, the share that belongs to it.
    pub fn precision(&self, average: Averaging) -> f64 {
        self.average(average, |(hits, predicted, _)| ratio(hits, predicted))
    }

    /// Of the samples of a class, the share that was found.
    pub fn recall(&self, average: Averaging) -> f64 {
        self.average(average, |(hits, _, actual)| ratio(hits, actual))
    }

    /// The weighted harmonic mean of precision and recall; recall counts `beta` times as much.
    pub fn f_beta(&self, beta: f64, average: Averaging) -> f64 {
        let b = beta * beta;
        self.average(average, |(hits, predicted, actual)| ratio((1.0 + b) * hits, predicted + b * actual))
    }
}

/// 0/0 is 0, as in scikit-learn.
fn ratio(a: f64, b: f64) -> f64 {
    if b == 0.0 { 0.0 } else { a / b }
}

impl fmt::Display for ConfusionMatrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.counts.iter().max().map_or(1, |m| m.to_string().len()).max(3) + 1;
        write!(f, "actual \\ predicted\n    ")?;
        (0..self.classes).try_for_each(|c| write!(f, "{c:>width$}"))?;
        for row in 0..self.classes {
            write!(f, "\n{row:>4}")?;
            (0..self.classes).try_for_each(|c| write!(f, "{:>width$}", self.count(row, c)))?;
        }
        Ok(())
    }
}

macro_rules! of_confusion {
    ($(#[$doc:meta])* $metric:ident($($field:ident: $ty:ty),*), $name:expr, |$m:ident| $value:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $metric {
            matrix: ConfusionMatrix,
            average: Averaging,
            $($field: $ty),*
        }

        impl $metric {
            /// For this many classes, averaged in this way.
            pub fn new(classes: usize, average: Averaging $(, $field: $ty)*) -> $metric {
                $metric { matrix: ConfusionMatrix::new(classes), average $(, $field)* }
            }
        }

        impl Metric for $metric {
            fn name(&self) -> String {
                $name.into()
            }

            fn update(&mut self, prediction: &Tensor, target: &Tensor) -> Result<()> {
                self.matrix.update(prediction, target)
            }

            fn value(&self) -> f64 {
                let $m = self;
                $value
            }

            fn reset(&mut self) {
                self.matrix.counts.fill(0);
            }
        }
    };
}

of_confusion! {
    /// See [`ConfusionMatrix::precision`].
    Precision(), "precision", |m| m.matrix.precision(m.average)
}
of_confusion! {
    /// See [`ConfusionMatrix::recall`].
    Recall(), "recall", |m| m.matrix.recall(m.average)
}
of_confusion! {
    /// See [`ConfusionMatrix::f_beta`]; `beta` is 1 for the F1 score.
    FBeta(beta: f64), "f_beta", |m| m.matrix.f_beta(m.beta, m.average)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers from scikit-learn 1.7: `precision_recall_fscore_support(y, p, beta=2, average=…, zero_division=0)`
    /// for y = [0,0,0,1,1,2,2,2,2,3], p = [0,0,1,1,2,2,2,2,0,2], 5 labels.
    #[test]
    fn agrees_with_scikit_learn() {
        let predicted = [0usize, 0, 1, 1, 2, 2, 2, 2, 0, 2];
        let scores: Vec<f32> = predicted.iter().flat_map(|&p| (0..5).map(move |c| (c == p) as u8 as f32)).collect();
        let scores = Tensor::from_vec(scores, [10, 5]);
        let labels = Tensor::from([0i64, 0, 0, 1, 1, 2, 2, 2, 2, 3]);
        let mut m = ConfusionMatrix::new(5);
        m.update(&scores, &labels).unwrap();
        assert_eq!(m.count(2, 0), 1);
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        close(m.precision(Averaging::Micro), 0.6);
        close(m.recall(Averaging::Micro), 0.6);
        close(m.precision(Averaging::Macro), (2.0 / 3.0 + 0.5 + 0.6) / 5.0);
        close(m.recall(Averaging::Macro), (2.0 / 3.0 + 0.5 + 0.75) / 5.0);
        close(m.precision(Averaging::Weighted), 0.54);
        close(m.recall(Averaging::Weighted), 0.6);
        close(m.f_beta(2.0, Averaging::Weighted), 0.3 * 2.0 / 3.0 + 0.2 * 0.5 + 0.4 * (15.0 / 21.0));
        close(m.precision(Averaging::Binary), 0.5);
    }
}
