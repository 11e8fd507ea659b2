//! What `fit` returns: the logs of every epoch.

/// Named numbers in a fixed order: `loss`, the metrics, `val_loss`, …
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Logs(Vec<(String, f64)>);

impl Logs {
    /// Sets a value; a new name goes to the end.
    pub fn set(&mut self, name: impl Into<String>, value: f64) {
        let name = name.into();
        match self.0.iter_mut().find(|(n, _)| *n == name) {
            Some((_, v)) => *v = value,
            None => self.0.push((name, value)),
        }
    }

    /// The value of that name.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| *v)
    }

    /// All names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(n, v)| (n.as_str(), *v))
    }

    /// The names, for error messages: `loss, accuracy`.
    pub fn names(&self) -> String {
        self.iter().map(|(n, _)| n).collect::<Vec<_>>().join(", ")
    }

    /// As Keras prints them: `accuracy: 0.9312 - loss: 0.2215`, four decimals, or `%.4e` up to 1e-3.
    pub fn line(&self) -> String {
        self.iter().map(|(n, v)| format!("{n}: {}", number(v))).collect::<Vec<_>>().join(" - ")
    }
}

fn number(v: f64) -> String {
    if v == 0.0 || v.abs() > 1e-3 || !v.is_finite() {
        return format!("{v:.4}");
    }
    let text = format!("{v:.4e}");
    let (mantissa, exponent) = text.split_once('e').expect("{:e} writes an e");
    let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |d| ('-', d));
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// Why training ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Ending {
    /// All epochs were run.
    #[default]
    Finished,
    /// A callback asked for it, for this reason.
    Stopped(String),
    /// Ctrl-C.
    Interrupted,
}

/// The course of a training run.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The logs of each epoch that was completed.
    pub epochs: Vec<Logs>,
    /// Why training ended.
    pub ending: Ending,
    /// Time spent in training steps, without validation and callbacks.
    pub seconds: f64,
    /// Samples that were trained on, repeats counted.
    pub samples: usize,
}

impl History {
    /// The values of one name over the epochs, as `history.history["loss"]` in Keras.
    pub fn of(&self, name: &str) -> Vec<f64> {
        self.epochs.iter().filter_map(|logs| logs.get(name)).collect()
    }

    /// The last value of one name.
    pub fn last(&self, name: &str) -> Option<f64> {
        self.epochs.last()?.get(name)
    }

    /// Training throughput.
    pub fn samples_per_second(&self) -> f64 {
        self.samples as f64 / self.seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_in_keras() {
        let mut logs = Logs::default();
        logs.set("accuracy", 0.35123);
        logs.set("loss", 270.59541);
        logs.set("learning_rate", 0.0001);
        assert_eq!(logs.line(), "accuracy: 0.3512 - loss: 270.5954 - learning_rate: 1.0000e-04");
    }
}
