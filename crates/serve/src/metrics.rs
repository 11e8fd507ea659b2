//! Counters for `/metrics`, in Prometheus' text format.
//!
//! Own code instead of a crate: counters, gauges and histograms of a fixed set are these lines.
//! Format: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds of the seconds' buckets.
const SECONDS: [f64; 14] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// Upper bounds of the batch sizes' buckets.
const SAMPLES: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 1024.0];

/// Everything that is counted.
#[derive(Default)]
pub struct Metrics {
    /// Requests being answered.
    pub in_flight: AtomicI64,
    /// Open connections.
    pub connections: AtomicI64,
    counted: Mutex<Counted>,
}

#[derive(Default)]
struct Counted {
    /// By model (empty where a request is about none) and status.
    requests: BTreeMap<(String, u16), u64>,
    models: BTreeMap<String, Model>,
}

/// The histograms of a model, in the order of [`HISTOGRAMS`].
type Model = [Histogram; 4];

/// Name, help and bounds of every histogram.
const HISTOGRAMS: [(&str, &str, &[f64]); 4] = [
    ("hadal_request_seconds", "From a request for inference to its answer.", &SECONDS),
    ("hadal_queue_seconds", "From a request's arrival in the queue to its batch.", &SECONDS),
    ("hadal_compute_seconds", "What a batch took.", &SECONDS),
    ("hadal_batch_samples", "Samples in a batch.", &SAMPLES),
];

struct Histogram {
    bounds: &'static [f64],
    /// Values at or below each bound, but above the one before it.
    counts: Vec<u64>,
    count: u64,
    sum: f64,
}

impl Histogram {
    fn new(bounds: &'static [f64]) -> Histogram {
        Histogram { bounds, counts: vec![0; bounds.len()], count: 0, sum: 0.0 }
    }

    fn add(&mut self, value: f64) {
        if let Some(bucket) = self.bounds.iter().position(|&bound| value <= bound) {
            self.counts[bucket] += 1;
        }
        self.count += 1;
        self.sum += value;
    }

    fn write(&self, name: &str, model: &str, out: &mut String) {
        let mut below = 0;
        for (bound, count) in self.bounds.iter().zip(&self.counts) {
            below += count;
            let _ = writeln!(out, "{name}_bucket{{model=\"{model}\",le=\"{bound}\"}} {below}");
        }
        let _ = writeln!(out, "{name}_bucket{{model=\"{model}\",le=\"+Inf\"}} {}", self.count);
        let _ = writeln!(out, "{name}_sum{{model=\"{model}\"}} {}", self.sum);
        let _ = writeln!(out, "{name}_count{{model=\"{model}\"}} {}", self.count);
    }
}

impl Metrics {
    fn update(&self, f: impl FnOnce(&mut Counted)) {
        f(&mut self.counted.lock().unwrap_or_else(|e| e.into_inner()));
    }

    fn model(&self, name: &str, f: impl FnOnce(&mut Model)) {
        self.update(|counted| {
            if !counted.models.contains_key(name) {
                counted.models.insert(name.to_owned(), HISTOGRAMS.map(|(_, _, bounds)| Histogram::new(bounds)));
            }
            f(counted.models.get_mut(name).expect("it was just put there"));
        });
    }

    /// Counts an answer. `model` must be the name of one that is served, so that clients cannot make up series.
    pub fn answered(&self, model: &str, status: u16) {
        self.update(|counted| *counted.requests.entry((model.to_owned(), status)).or_default() += 1);
    }

    /// Counts the time from a request for inference to its answer.
    pub fn inferred(&self, model: &str, time: Duration) {
        self.model(model, |[seconds, ..]| seconds.add(time.as_secs_f64()));
    }

    /// Counts a batch: its samples, how long each request waited for it, and how long it took.
    pub fn batch(&self, model: &str, samples: usize, waits: impl Iterator<Item = Duration>, compute: Duration) {
        self.model(model, |[_, queue_seconds, compute_seconds, batch_samples]| {
            waits.for_each(|wait| queue_seconds.add(wait.as_secs_f64()));
            compute_seconds.add(compute.as_secs_f64());
            batch_samples.add(samples as f64);
        });
    }

    /// The page for Prometheus, with the versions being served.
    pub fn text(&self, served: &[Served]) -> String {
        let mut out = String::new();
        let head = |out: &mut String, name: &str, kind: &str, help: &str| {
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        };
        let gauges = [
            ("hadal_requests_in_flight", "Requests being answered.", &self.in_flight),
            ("hadal_connections", "Open connections.", &self.connections),
        ];
        for (name, help, value) in gauges {
            head(&mut out, name, "gauge", help);
            let _ = writeln!(out, "{name} {}", value.load(Relaxed));
        }
        head(&mut out, "hadal_queue_requests", "gauge", "Requests waiting for a batch, of each version being served.");
        for Served { model, version, waiting } in served {
            let _ = writeln!(out, "hadal_queue_requests{{model=\"{model}\",version=\"{version}\"}} {waiting}");
        }
        let counted = self.counted.lock().unwrap_or_else(|e| e.into_inner());
        head(&mut out, "hadal_requests_total", "counter", "Answered requests; code 499 is a client that left.");
        for ((model, status), count) in &counted.requests {
            let _ = writeln!(out, "hadal_requests_total{{model=\"{model}\",code=\"{status}\"}} {count}");
        }
        for (i, (name, help, _)) in HISTOGRAMS.iter().enumerate() {
            head(&mut out, name, "histogram", help);
            counted.models.iter().for_each(|(model, histograms)| histograms[i].write(name, model, &mut out));
        }
        out
    }
}

/// A version being served.
pub struct Served {
    /// The model's name.
    pub model: String,
    /// The version's number.
    pub version: u64,
    /// Requests in its queue.
    pub waiting: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative() {
        let metrics = Metrics::default();
        metrics.answered("m", 200);
        metrics.answered("m", 200);
        metrics.answered("", 404);
        let ms = Duration::from_millis;
        metrics.batch("m", 3, [ms(1), ms(3), ms(9000)].into_iter(), ms(2));
        let text = metrics.text(&[Served { model: "m".into(), version: 2, waiting: 5 }]);
        for line in [
            "hadal_requests_total{model=\"m\",code=\"200\"} 2",
            "hadal_requests_total{model=\"\",code=\"404\"} 1",
            "hadal_queue_requests{model=\"m\",version=\"2\"} 5",
            "hadal_queue_seconds_bucket{model=\"m\",le=\"0.0005\"} 0",
            "hadal_queue_seconds_bucket{model=\"m\",le=\"0.001\"} 1",
            "hadal_queue_seconds_bucket{model=\"m\",le=\"5\"} 2",
            "hadal_queue_seconds_bucket{model=\"m\",le=\"+Inf\"} 3",
            "hadal_batch_samples_bucket{model=\"m\",le=\"2\"} 0",
            "hadal_batch_samples_bucket{model=\"m\",le=\"4\"} 1",
            "hadal_batch_samples_sum{model=\"m\"} 3",
            "hadal_compute_seconds_count{model=\"m\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
