//! `ops`: every operation against the machine's ceiling, slowest first, on the inputs of its test cases made large.
//!
//! A case's inputs are repeated along their first axis: all of them, or the first alone (the others are weights), whichever
//! the operation takes and grows in proportion with.

use crate::{machine, report};
use hadal::kernels::ceiling::{Ceiling, ceiling};
use hadal::prelude::*;
use hadal::testing::{Cases, FixtureCase};
use hadal::{Profile, attempt, partial_grad, profile};
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// Elements of the inputs: 16 MiB, so that memory counts.
const ELEMENTS: usize = 1 << 22;
/// Slow operations get fewer, so that a call takes about so many seconds.
const SECONDS: f64 = 0.1;

/// What one direction of an operation took, beside what it had to do.
struct Speed {
    seconds: f64,
    flops: f64,
    bytes: f64,
}

impl Speed {
    /// The share of the ceiling; of what only makes a view, infinite.
    fn share(&self, ceiling: &Ceiling) -> f64 {
        if self.is_view() { f64::INFINITY } else { ceiling.seconds(self.flops, self.bytes) / self.seconds }
    }

    fn is_view(&self) -> bool {
        self.flops + self.bytes == 0.0
    }

    /// Milliseconds and the share.
    fn cells(&self, ceiling: &Ceiling) -> [String; 2] {
        let share = if self.is_view() { "view".into() } else { format!("{:.0}%", 100.0 * self.share(ceiling)) };
        [format!("{:.3}", self.seconds * 1e3), share]
    }
}

struct Row {
    name: &'static str,
    case: String,
    elements: usize,
    forward: Speed,
    backward: Option<Speed>,
}

/// Measures the operations and prints a line for each.
pub fn measure(names: &[String], threads: usize, json: bool) -> Result<(), Box<dyn Error>> {
    let all = hadal::ops::all_cases();
    if let Some(unknown) = names.iter().find(|name| !all.iter().any(|cases| cases.op == **name)) {
        return Err(format!("no operation is called `{unknown}`; docs/operations.md lists them").into());
    }
    eprintln!("{}", machine::line(threads));
    let ceiling = ceiling();
    eprintln!(
        "ceilings: {:.0} GFLOP/s, {:.1} GB/s (copy {:.1}, triad {:.1})",
        ceiling.gflops,
        ceiling.gbytes(),
        ceiling.copy,
        ceiling.triad
    );
    let asked = all.iter().filter(|cases| names.is_empty() || names.iter().any(|name| name == cases.op));
    // What an operation does not take is tried silently.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    let (mut rows, mut small) = (Vec::new(), Vec::new());
    for cases in asked {
        match row(cases) {
            Some(row) => rows.push(row),
            None => small.push(cases.op),
        }
    }
    std::panic::set_hook(hook);
    rows.sort_by(|a, b| a.forward.share(&ceiling).total_cmp(&b.forward.share(&ceiling)));
    if json {
        rows.iter().flat_map(|row| lines(row, threads)).for_each(|line| println!("{line}"));
        return Ok(());
    }
    println!(
        "{:<28} {:>10} {:>10} {:>8} {:>7} {:>8} {:>12} {:>8}  case",
        "", "elements", "ms", "GFLOP/s", "GB/s", "ceiling", "backward ms", "ceiling"
    );
    rows.iter().for_each(|row| println!("{}", text(row, &ceiling)));
    if !small.is_empty() {
        println!("no case can be made large: {}", small.join(", "));
    }
    Ok(())
}

fn text(row: &Row, ceiling: &Ceiling) -> String {
    let Row { name, case, elements, forward, backward } = row;
    let rate =
        |amount: f64| if amount > 0.0 { format!("{:.1}", amount * 1e-9 / forward.seconds) } else { String::new() };
    let (flops, bytes, [ms, share]) = (rate(forward.flops), rate(forward.bytes), forward.cells(ceiling));
    let [back_ms, back_share] = backward.as_ref().map(|speed| speed.cells(ceiling)).unwrap_or_default();
    format!("{name:<28} {elements:>10} {ms:>10} {flops:>8} {bytes:>7} {share:>8} {back_ms:>12} {back_share:>8}  {case}")
}

fn lines(row: &Row, threads: usize) -> Vec<String> {
    let directions = [("forward", Some(&row.forward)), ("backward", row.backward.as_ref())];
    let line = |(direction, speed): (&str, Option<&Speed>)| {
        let speed = speed?;
        let (amount, unit) = if speed.flops > 0.0 { (speed.flops, "GFLOP/s") } else { (speed.bytes, "GB/s") };
        let note = format!("{:.4} ms; {} elements; {}", speed.seconds * 1e3, row.elements, row.case);
        let workload = format!("op_{}", row.name);
        Some(report::line("hadal", &workload, direction, amount * 1e-9 / speed.seconds, unit, threads, &note))
    };
    directions.into_iter().filter_map(line).collect()
}

/// The operation on its largest case that can be made larger.
fn row(cases: &Cases) -> Option<Row> {
    let elements = |case: &FixtureCase| case.inputs(DType::F32).iter().map(Tensor::elements).sum::<usize>();
    let mut all: Vec<_> = cases.all().into_iter().filter(|(_, case)| elements(case) > 0).collect();
    all.sort_by_key(|(_, case)| std::cmp::Reverse(elements(case)));
    let (name, case, large) = all.into_iter().find_map(|(name, case)| {
        let inputs = enlarged(cases, &case)?;
        Some((name, case, inputs))
    })?;
    let elements = large.iter().map(Tensor::elements).sum();
    let call = || cases.call(&case.attributes, &large);
    let (outputs, profiled) = profile(call);
    let bytes = (bytes(&large) + bytes(&outputs)).min(moved(&profiled));
    drop(outputs); // so that the pool has memory for the next ones
    let forward = || {
        let start = Instant::now();
        drop(call());
        start.elapsed()
    };
    let forward = Speed { seconds: fastest(forward), flops: flops(&profiled), bytes };
    let backward = Pull::new(cases, &case, &large).speed();
    Some(Row { name: cases.op, case: name, elements, forward, backward })
}

/// A case with its backward pass: inputs of which those that have a recorded gradient are leaves.
struct Pull<'a> {
    cases: &'a Cases,
    case: &'a FixtureCase,
    varied: Vec<usize>,
    leaves: Vec<Tensor>,
}

impl<'a> Pull<'a> {
    fn new(cases: &'a Cases, case: &'a FixtureCase, inputs: &[Tensor]) -> Pull<'a> {
        let varied: Vec<usize> = case.numbered("grad").into_iter().map(|(i, _)| i).collect();
        let leaf = |(i, x): (usize, &Tensor)| if varied.contains(&i) { x.requires_grad() } else { x.clone() };
        let leaves = inputs.iter().enumerate().map(leaf).collect();
        Pull { cases, case, varied, leaves }
    }

    fn outputs(&self) -> Vec<Tensor> {
        self.cases.call(&self.case.attributes, &self.leaves)
    }

    /// The gradients of the leaves from those of the outputs, if there are any.
    fn back(&self, outputs: &[Tensor], seeds: &[Tensor]) -> Option<()> {
        let live: Vec<usize> = (0..outputs.len()).filter(|&i| outputs[i].has_grad()).collect();
        let ys: Vec<&Tensor> = live.iter().map(|&i| &outputs[i]).collect();
        let seeds: Vec<Option<&Tensor>> = live.iter().map(|&i| Some(&seeds[i])).collect();
        let xs: Vec<&Tensor> = self.varied.iter().map(|&i| &self.leaves[i]).collect();
        if ys.is_empty() {
            return None;
        }
        partial_grad(&ys, &seeds, &xs, Keep::Nothing).ok().map(drop)
    }

    /// From ones, without the forward pass.
    fn speed(&self) -> Option<Speed> {
        let outputs = self.outputs();
        let seeds: Vec<Tensor> = outputs.iter().map(Tensor::ones_like).collect();
        let (found, profiled) = profile(|| self.back(&outputs, &seeds));
        found?;
        drop(outputs);
        let seconds = fastest(|| {
            let outputs = self.outputs();
            let start = Instant::now();
            self.back(&outputs, &seeds);
            start.elapsed()
        });
        // Reads the inputs and the gradients of the outputs, writes the gradients of the inputs.
        let varied: Vec<Tensor> = self.varied.iter().map(|&i| self.leaves[i].clone()).collect();
        let bytes = (2.0 * bytes(&varied) + bytes(&seeds)).min(moved(&profiled));
        Some(Speed { seconds, flops: flops(&profiled), bytes })
    }

    /// Bytes allocated forward and backward, if the operation takes its inputs.
    fn allocated(&self) -> Option<u64> {
        let run = || {
            let outputs = attempt(|| self.outputs()).ok()?;
            let seeds: Vec<Tensor> = outputs.iter().map(Tensor::ones_like).collect();
            self.back(&outputs, &seeds);
            Some(())
        };
        let (outcome, profiled) = catch_unwind(AssertUnwindSafe(|| profile(run))).ok()?;
        outcome.map(|()| profiled.rows().iter().map(|row| row.allocated).sum())
    }
}

fn flops(profile: &Profile) -> f64 {
    profile.rows().iter().map(|row| row.flops).sum::<u64>() as f64
}

/// The bytes of the operations that ran: none if all of them were views, more than its own for one that is composed of
/// others.
fn moved(profile: &Profile) -> f64 {
    profile.rows().iter().map(|row| row.bytes).sum::<u64>() as f64
}

fn bytes(tensors: &[Tensor]) -> f64 {
    tensors.iter().map(|t| t.elements() * t.dtype().size()).sum::<usize>() as f64
}

/// The least seconds of several calls, at least three.
fn fastest(mut call: impl FnMut() -> Duration) -> f64 {
    let begin = Instant::now();
    let mut best = (0..3).map(|_| call()).min().unwrap_or_default();
    while begin.elapsed().as_secs_f64() < SECONDS / 4.0 {
        best = best.min(call());
    }
    best.as_secs_f64()
}

/// The inputs of a case, repeated so often that they are large, or so slow that they need not be larger.
fn enlarged(cases: &Cases, case: &FixtureCase) -> Option<Vec<Tensor>> {
    let inputs = case.inputs(DType::F32);
    let allocated = |times: usize, all: bool| Pull::new(cases, case, &repeated(&inputs, times, all)?).allocated();
    // Not a product of all pairs: nothing grows faster than the inputs.
    let proportional = |all: bool| match (allocated(16, all), allocated(64, all)) {
        (Some(some), Some(more)) => more <= 5 * some,
        _ => false,
    };
    let all = [true, false].into_iter().find(|&all| proportional(all))?;
    let mut times = 64;
    loop {
        let inputs = repeated(&inputs, times, all)?;
        let start = Instant::now();
        catch_unwind(AssertUnwindSafe(|| cases.call(&case.attributes, &inputs))).ok()?;
        let elements: usize = inputs.iter().map(Tensor::elements).sum();
        if 4 * elements > ELEMENTS || times > ELEMENTS || start.elapsed().as_secs_f64() > SECONDS / 8.0 {
            return Some(inputs);
        }
        times *= 4;
    }
}

/// The tensors so often along their first axes; `None` where one has no axis.
fn repeated(inputs: &[Tensor], times: usize, all: bool) -> Option<Vec<Tensor>> {
    let count = if all { inputs.len() } else { 1 };
    let longer = |(i, x): (usize, &Tensor)| match (i < count, x.rank()) {
        (false, _) => Some(x.clone()),
        (true, 0) => None,
        (true, rank) => {
            let mut each = vec![1; rank];
            each[0] = times;
            x.try_repeat(&each[..]).ok()
        }
    };
    inputs.iter().enumerate().map(longer).collect()
}
