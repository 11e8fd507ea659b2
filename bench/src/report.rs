//! What was measured: as a table of times and ratios, as JSON lines, and as one table of all ratios at the end.

use crate::compare::Measured;
use crate::spread::Spread;
use crate::workloads::{Measure, Workload};
use serde_json::Value;
use std::fmt::Write;

/// One row per framework; the ratio is its time over Hadal's in the same turn.
pub fn table(workload: &Workload, measured: &[Measured]) -> String {
    let batch = match workload.measure {
        Measure::Training { batch } | Measure::Inference { batch } => format!(", batch {batch}"),
        _ => String::new(),
    };
    let mut text = format!("\n{} ({}){batch}\n", workload.name, workload.about);
    let unit = match workload.measure {
        Measure::Arithmetic { .. } => "GFLOP/s",
        Measure::Memory { .. } => "GB/s",
        Measure::ColdStart => "peak MiB",
        _ => "samples/s",
    };
    let _ = writeln!(text, "{:<22} {:>10} {:>21} {unit:>10} {:>8} {:>15}", "", "ms", "least to greatest", "ratio", "");
    for one in measured {
        let Spread { least, median, greatest } = Spread::of(one.seconds.iter().map(|s| s * 1e3));
        let ratio = ratio(one, &measured[0]);
        let _ = writeln!(
            text,
            "{:<22} {median:>10.4} {least:>9.4} to {greatest:>9.4} {:>10.1} {:>7.2}× {:>6.2} to {:>5.2}{}",
            one.peer,
            amount(workload, one, median * 1e-3),
            ratio.median,
            ratio.least,
            ratio.greatest,
            if one.quiet { "" } else { "  (never quiet)" }
        );
    }
    text
}

/// The time of one over that of the other, turn by turn.
fn ratio(one: &Measured, other: &Measured) -> Spread {
    Spread::of(one.seconds.iter().zip(&other.seconds).map(|(a, b)| a / b))
}

/// What is done in a second; of processes, their memory.
fn amount(workload: &Workload, one: &Measured, seconds: f64) -> f64 {
    match workload.measure {
        Measure::Training { batch } | Measure::Inference { batch } => batch as f64 / seconds,
        Measure::Arithmetic { flops } => flops * 1e-9 / seconds,
        Measure::Memory { bytes } => bytes * 1e-9 / seconds,
        Measure::ColdStart => Spread::of(one.memory.iter().copied()).median,
    }
}

/// All ratios: a row per workload, a column per framework other than Hadal.
pub fn summary(peers: &[String], all: &[(Workload, Vec<Measured>)]) -> String {
    let mut text = format!("\nratios to Hadal's time, above 1 where Hadal is faster\n{:<36} {:>10}", "", "hadal ms");
    peers.iter().for_each(|peer| text += &format!(" {peer:>24}"));
    for (workload, measured) in all {
        let hadal = Spread::of(measured[0].seconds.iter().map(|s| s * 1e3)).median;
        let _ = write!(text, "\n{:<36} {hadal:>10.4}", workload.name);
        for peer in peers {
            let found = measured.iter().skip(1).find(|one| one.peer == *peer);
            let cell = found.map(|one| ratio(one, &measured[0]));
            let cell = cell.map(|r| format!("{:.2}× ({:.2} to {:.2})", r.median, r.least, r.greatest));
            let _ = write!(text, " {:>24}", cell.as_deref().unwrap_or("–"));
        }
    }
    text
}

/// A result in the form of the peers' programs, rounded to six digits.
pub fn line(peer: &str, workload: &str, metric: &str, value: f64, unit: &str, threads: usize, note: &str) -> String {
    let rounded: f64 = format!("{value:.5e}").parse().expect("a number that was just printed");
    let [peer, workload, metric, unit, note] = [peer, workload, metric, unit, note].map(Value::from);
    format!(
        "{{\"peer\": {peer}, \"workload\": {workload}, \"metric\": {metric}, \"value\": {rounded:?}, \"unit\": {unit}, \
         \"threads\": {threads}, \"note\": {note}}}"
    )
}

/// The metrics of every framework.
pub fn lines(workload: &Workload, threads: usize, measured: &[Measured]) -> Vec<String> {
    measured.iter().flat_map(|one| lines_of(workload, threads, one)).collect()
}

fn lines_of(workload: &Workload, threads: usize, one: &Measured) -> Vec<String> {
    let spread = Spread::of(one.seconds.iter().copied());
    let (seconds, note) = (spread.median, note(one, &spread));
    let line = |workload: &str, metric: &str, value: f64, unit: &str| {
        line(&one.peer, workload, metric, value, unit, threads, &note)
    };
    let amount = amount(workload, one, seconds);
    let stepped = |what: &str| {
        let per_second = format!("{what}_samples_per_s");
        vec![
            line(&workload.name, &format!("{what}_ms"), seconds * 1e3, "ms"),
            line(&workload.name, &per_second, amount, "samples/s"),
        ]
    };
    let family = |families: &[&str], unit: &str| {
        let found = families.iter().find_map(|family| Some((family, workload.name.strip_prefix(family)?)));
        let (family, sizes) = found.expect("a kernel's name begins with its family");
        vec![line(family.trim_end_matches('_'), sizes, amount, unit)]
    };
    match workload.measure {
        Measure::Training { .. } => stepped("train_step"),
        Measure::Inference { .. } => stepped("infer"),
        Measure::Arithmetic { .. } => family(&["W10_sgemm_", "W10_conv2d_fwd_bwd_", "W10_conv2d_fwd_"], "GFLOP/s"),
        Measure::Memory { .. } => family(&["W10_elementwise_"], "GB/s"),
        Measure::ColdStart => {
            vec![line(&workload.name, "wall_s", seconds, "s"), line(&workload.name, "peak_rss_mib", amount, "MiB")]
        }
    }
}

fn note(one: &Measured, spread: &Spread) -> String {
    let Spread { least, greatest, .. } = spread;
    let (blocks, steps, versions) = (one.seconds.len(), one.steps, &one.versions);
    let mut note = format!("{versions}; {blocks}x{steps} steps; min {:.4} max {:.4} ms", least * 1e3, greatest * 1e3);
    if one.attempts.len() > 1 {
        let medians: Vec<String> = one.attempts.iter().map(|seconds| format!("{:.4}", seconds * 1e3)).collect();
        let _ = write!(note, "; medians of all attempts {}", medians.join(","));
    }
    if !one.quiet {
        note += "; the machine was never quiet";
    }
    note
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workloads::chosen;

    fn measured(peer: &str, seconds: &[f64]) -> Measured {
        let (peer, versions) = (peer.to_owned(), format!("{peer} 1.0"));
        let attempts = vec![seconds[0]];
        Measured { peer, versions, seconds: seconds.to_vec(), steps: 7, memory: vec![5.0], attempts, quiet: true }
    }

    fn lines_for(name: &str, seconds: f64) -> Vec<String> {
        let workload = chosen(&[name.to_owned()]).unwrap().remove(0);
        lines(&workload, 2, &[measured("hadal", &[seconds])])
    }

    #[test]
    fn lines_have_the_peers_form() {
        let note = "hadal 1.0; 1x7 steps; min 1.0000 max 1.0000 ms";
        let expected = |workload: &str, metric: &str, value: &str, unit: &str| {
            format!(
                r#"{{"peer": "hadal", "workload": "{workload}", "metric": "{metric}", "value": {value}, "unit": "{unit}", "threads": 2, "note": "{note}"}}"#
            )
        };
        let both = |workload: &str, what: &str, per_second: &str| {
            let samples = format!("{what}_samples_per_s");
            [
                expected(workload, &format!("{what}_ms"), "1.0", "ms"),
                expected(workload, &samples, per_second, "samples/s"),
            ]
        };
        assert_eq!(lines_for("W5", 1e-3), both("W5_mlp_seed4", "train_step", "32000.0"));
        assert_eq!(lines_for("W9_resnet18_b16", 1e-3), both("W9_resnet18_b16", "infer", "16000.0"));
        for (name, workload, metric, value, unit) in [
            ("W10_sgemm_64x784x128", "W10_sgemm", "64x784x128", "12.8451", "GFLOP/s"),
            ("W10_conv2d_fwd_N100_C3_32x32_K16", "W10_conv2d_fwd", "N100_C3_32x32_K16", "88.4736", "GFLOP/s"),
            ("W10_conv2d_fwd_bwd_N100_C3_32x32_K16", "W10_conv2d_fwd_bwd", "N100_C3_32x32_K16", "265.421", "GFLOP/s"),
            ("W10_elementwise_relu_16M", "W10_elementwise", "relu_16M", "134.218", "GB/s"),
        ] {
            assert_eq!(lines_for(name, 1e-3), [expected(workload, metric, value, unit)]);
        }
    }

    #[test]
    fn ratios_are_taken_turn_by_turn() {
        let (slow, fast) = (measured("torch", &[2.0, 8.0, 3.0]), measured("hadal", &[1.0, 2.0, 3.0]));
        let found = ratio(&slow, &fast);
        assert_eq!((found.least, found.median, found.greatest), (1.0, 2.0, 4.0));
        let workload = chosen(&["W5".to_owned()]).unwrap().remove(0);
        let text = summary(&["torch".into(), "jax".into()], &[(workload, vec![fast, slow])]);
        assert!(text.ends_with("2.00× (1.00 to 4.00)                        –"), "{text}");
    }
}
