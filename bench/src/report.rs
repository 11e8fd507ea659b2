//! What was measured, as a table or as JSON lines.

use crate::workloads::Workload;
use serde_json::{Value, json};
use std::fmt::Write;

/// The seconds per step of one framework, turn by turn.
pub struct Measured {
    pub peer: String,
    pub seconds: Vec<f64>,
}

impl Measured {
    /// Least, median and greatest.
    fn spread(values: impl Iterator<Item = f64>) -> [f64; 3] {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        [values[0], values[values.len() / 2], values[values.len() - 1]]
    }
}

/// The machine, in a line.
pub fn machine(threads: usize) -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map(|(_, name)| name);
    let (model, isa) = (model.unwrap_or(std::env::consts::ARCH), hadal::kernels::simd::isa());
    format!("{model}, {threads} threads, {isa:?}; Hadal {}", env!("CARGO_PKG_VERSION"))
}

/// One row per framework; the ratio is its time over Hadal's in the same turn.
pub fn table(workload: &Workload, measured: &[Measured]) -> String {
    let mut text = format!("\n{} ({}), batch {}\n", workload.name, workload.about, workload.batch);
    let _ = writeln!(text, "{:<22} {:>10} {:>19} {:>8} {:>15}", "", "ms a step", "least to greatest", "ratio", "");
    let hadal = &measured[0].seconds;
    for one in measured {
        let [least, median, greatest] = Measured::spread(one.seconds.iter().map(|s| s * 1e3));
        let [low, ratio, high] = Measured::spread(one.seconds.iter().zip(hadal).map(|(a, b)| a / b));
        let _ = writeln!(
            text,
            "{:<22} {median:>10.4} {least:>8.4} to {greatest:>8.4} {ratio:>7.2}× {low:>6.2} to {high:>5.2}",
            one.peer
        );
    }
    text
}

/// Two metrics per framework.
pub fn lines(workload: &Workload, threads: usize, measured: &[Measured]) -> Vec<Value> {
    let line = |one: &Measured, metric: &str, value: f64, unit: &str| {
        let [least, _, greatest] = Measured::spread(one.seconds.iter().map(|s| s * 1e3));
        let note = format!("{} blocks; min {least:.4} max {greatest:.4} ms", one.seconds.len());
        json!({ "peer": one.peer, "workload": workload.name, "metric": metric, "value": value, "unit": unit,
                "threads": threads, "note": note })
    };
    let both = |one: &Measured| {
        let [_, median, _] = Measured::spread(one.seconds.iter().copied());
        [
            line(one, "train_step_ms", median * 1e3, "ms"),
            line(one, "train_step_samples_per_s", workload.batch as f64 / median, "samples/s"),
        ]
    };
    measured.iter().flat_map(both).collect()
}
