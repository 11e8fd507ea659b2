//! Watching one logged number for improvement.

use crate::history::Logs;
use hadal_core::{Error, Result, closest};

/// Which direction is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// Smaller: a loss.
    Lower,
    /// Larger: an accuracy.
    Higher,
}

impl Better {
    /// Told from the name as Keras' `mode="auto"`: accuracies, precision, recall and the like should rise, the rest fall.
    pub fn of(name: &str) -> Better {
        let rising = ["acc", "auc", "precision", "recall", "f_beta", "r2", "top_"];
        if rising.iter().any(|part| name.contains(part)) { Better::Higher } else { Better::Lower }
    }
}

/// A logged number, its direction, and its best value so far.
#[derive(Clone, Debug)]
pub(super) struct Monitor {
    pub name: String,
    pub better: Better,
    pub min_delta: f64,
    pub best: Option<f64>,
}

impl Monitor {
    pub fn new(name: &str) -> Monitor {
        Monitor { name: name.into(), better: Better::of(name), min_delta: 0.0, best: None }
    }

    /// The monitored value of this epoch; an error that lists what there is.
    pub fn value(&self, who: &str, logs: &Logs) -> Result<f64> {
        logs.get(&self.name).ok_or_else(|| {
            let known: Vec<&str> = logs.iter().map(|(name, _)| name).collect();
            let hint = match closest(&self.name, &known) {
                Some(meant) => format!("; did you mean `{meant}`?"),
                None if self.name.starts_with("val_") => "; pass validation data to fit".into(),
                None => String::new(),
            };
            Error::op(who, format!("monitors `{}`, but the logs have only {}{hint}", self.name, logs.names()))
        })
    }

    /// Whether `value` is better than the best by more than `min_delta`; remembers it if so. NaN never is.
    pub fn improves(&mut self, value: f64) -> bool {
        let improved = match (self.best, self.better) {
            _ if value.is_nan() => false,
            (None, _) => true,
            (Some(best), Better::Lower) => value < best - self.min_delta,
            (Some(best), Better::Higher) => value > best + self.min_delta,
        };
        if improved {
            self.best = Some(value);
        }
        improved
    }
}
