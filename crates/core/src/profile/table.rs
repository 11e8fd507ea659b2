//! A profile as a text: one table by op, one by layer.

use super::{Profile, Row, What};
use hadal_kernels::ceiling::Ceiling;
use std::fmt::Write;

/// Layers that have lines of their own; a deeper model's others share one.
const MOST_LAYERS: usize = 40;

pub(super) fn text(profile: &Profile, ceiling: &Ceiling) -> String {
    let whole = profile.duration.as_secs_f64();
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{:.3} s, {} threads; measured ceilings: {:.0} GFLOP/s (f32), {:.1} GB/s (main memory)",
        whole,
        ceiling.threads,
        ceiling.gflops,
        ceiling.gbytes()
    );
    if profile.truncated {
        let _ = writeln!(text, "There were too many spans: this is the profile of the time until then.");
    }
    let table = Table { whole, ceiling };
    let (rows, loading): (Vec<Row>, Vec<Row>) = profile.rows().into_iter().partition(|row| row.what != What::Loading);
    table.ops(&rows, &mut text);
    if let Some(loading) = loading.first() {
        let loaders = profile.tracks.iter().skip(1).filter(|track| !track.spans.is_empty()).count();
        let _ = writeln!(text, "meanwhile, on other threads ({loaders}):");
        table.op(&label(loading), loading, &mut text);
    }
    table.modules(profile.modules(), &mut text);
    text
}

/// What rows are measured by.
struct Table<'a> {
    whole: f64,
    ceiling: &'a Ceiling,
}

impl Table<'_> {
    fn ops(&self, rows: &[Row], text: &mut String) {
        let _ = writeln!(
            text,
            "\n{:<32} {:>8} {:>11} {:>11} {:>7} {:>8} {:>7} {:>8} {:>10}",
            "op", "calls", "total ms", "mean µs", "share", "GFLOP/s", "GB/s", "ceiling", "allocated"
        );
        for row in rows {
            self.op(&label(row), row, text);
            for part in &row.parts {
                self.op(&format!("  {}", label(part)), part, text);
            }
        }
        let total: f64 = rows.iter().map(|row| row.seconds).sum();
        let _ = writeln!(text, "{:<32} {:>8} {:>11.3} {:>11} {:>7}", "total", "", total * 1e3, "", self.share(total));
    }

    fn op(&self, label: &str, row: &Row, text: &mut String) {
        let calls = if row.calls > 0 { row.calls.to_string() } else { String::new() };
        let mean = if row.calls > 0 { format!("{:.1}", row.seconds * 1e6 / row.calls as f64) } else { String::new() };
        let _ = writeln!(
            text,
            "{label:<32} {calls:>8} {:>11.3} {mean:>11} {:>7} {}",
            row.seconds * 1e3,
            self.share(row.seconds),
            self.speed(row)
        );
    }

    fn modules(&self, mut rows: Vec<Row>, text: &mut String) {
        if rows.len() > MOST_LAYERS {
            let mut others = rows.split_off(MOST_LAYERS - 1);
            let count = others.len();
            let mut rest = others.swap_remove(0);
            others.iter().for_each(|row| rest.join(row));
            (rest.name, rest.detail, rest.what) = (format!("{count} others"), String::new(), What::Region);
            rows.push(rest);
        }
        let _ = writeln!(
            text,
            "\n{:<40} {:>8} {:>11} {:>11} {:>7} {:>8} {:>7} {:>8} {:>10}",
            "layer", "calls", "forward ms", "backward ms", "share", "GFLOP/s", "GB/s", "ceiling", "allocated"
        );
        for row in &rows {
            let calls = if row.calls > 0 { row.calls.to_string() } else { String::new() };
            let _ = writeln!(
                text,
                "{:<40} {calls:>8} {:>11.3} {:>11.3} {:>7} {}",
                label(row),
                (row.seconds - row.backward) * 1e3,
                row.backward * 1e3,
                self.share(row.seconds),
                self.speed(row)
            );
        }
    }

    fn share(&self, seconds: f64) -> String {
        format!("{:.1}%", 100.0 * seconds / self.whole.max(f64::MIN_POSITIVE))
    }

    /// GFLOP/s, GB/s, the share of the ceiling, bytes allocated.
    fn speed(&self, row: &Row) -> String {
        let seconds = row.seconds.max(f64::MIN_POSITIVE);
        let rate = |amount: u64| match amount {
            0 => String::new(),
            _ => format!("{:.1}", amount as f64 * 1e-9 / seconds),
        };
        let share = match (row.flops, row.bytes) {
            (0, 0) => String::new(),
            (flops, bytes) => format!("{:.0}%", 100.0 * self.ceiling.seconds(flops as f64, bytes as f64) / seconds),
        };
        let memory = if row.allocated > 0 { amount(row.allocated) } else { String::new() };
        format!("{:>8} {:>7} {share:>8} {memory:>10}", rate(row.flops), rate(row.bytes))
    }
}

fn label(row: &Row) -> String {
    match (row.what, row.detail.as_str()) {
        (What::Gradient, _) => format!("{} backward", row.name),
        (What::Backward, _) => "sums of gradients, tape".into(),
        (What::Optimizer, _) => format!("optimizer {}", row.name),
        (_, "") => row.name.clone(),
        (What::Module, kind) if kind == row.name => kind.to_owned(),
        (What::Module, kind) => format!("{} ({kind})", row.name),
        (_, detail) => format!("{} {detail}", row.name),
    }
}

/// Bytes in a unit that suits them.
fn amount(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.iter().find(|(shift, _)| bytes >> shift > 0) {
        Some((shift, unit)) => format!("{:.1} {unit}", bytes as f64 / (1u64 << shift) as f64),
        None => format!("{bytes} B"),
    }
}
