//! The two tables of `hadal compress`.

use super::candidate::{Candidate, Measure};
use super::layers::Sensitivity;
use crate::console::say;

/// Every candidate with size, time and score, and what each layer alone loses.
pub fn print(candidates: &[Candidate], chosen: Option<&str>, layers: &[Sensitivity], measure: &Measure) {
    let before = &candidates[0];
    say!("{} samples, time for one sample (median)\n", measure.samples());
    say!("{:<20} {:>11} {:>7} {:>11} {:>7} {:>9} {:>9}", "method", "size", "", "time", "", measure.metric(), "lost");
    for candidate in candidates {
        let share = 100.0 * candidate.size as f64 / before.size as f64;
        let times = before.milliseconds / candidate.milliseconds;
        let mark = if chosen == Some(&*candidate.name) { " <-" } else { "" };
        say!(
            "{:<20} {:>11} {:>5.1} % {:>8.3} ms {:>6.2}x {:>9.4} {:>7.2} %{mark}",
            candidate.name,
            bytes(candidate.size),
            share,
            candidate.milliseconds,
            times,
            candidate.score,
            100.0 * measure.drop(before.score, candidate.score),
        );
    }
    if !layers.is_empty() {
        let width = layers.iter().map(|layer| layer.name.len()).max().unwrap_or(0).max(20);
        say!("\n{:<width$} {:>12} {:>9}", "int8-static, alone", "error", "lost");
        for layer in layers {
            say!("{:<width$} {:>10.3} % {:>7.2} %", layer.name, 100.0 * layer.error, 100.0 * layer.drop);
        }
    }
    say!("");
}

/// A number of bytes for people.
pub fn bytes(size: usize) -> String {
    match size {
        0..1024 => format!("{size} bytes"),
        1024..1_048_576 => format!("{:.1} KiB", size as f64 / 1024.0),
        _ => format!("{:.2} MiB", size as f64 / 1_048_576.0),
    }
}
