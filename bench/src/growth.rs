//! `growth`: time and memory of training steps against the size of the work, plotted, and whether they are linear.
//!
//! Time is fitted against floating-point operations, which the profiler counts, and memory against the bytes that a step
//! allocates: a model of twice the width has more than twice the work. Every point is a process of its own, whose peak
//! memory the system knows.

use crate::cold_start::peak_kib;
use crate::machine;
use crate::quiet::Patience;
use crate::spread::Spread;
use crate::svg::{Plot, grid};
use clap::{Args, ValueEnum};
use hadal::prelude::*;
use hadal::profile;
use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// What a model is made of.
#[derive(Clone, Copy, ValueEnum)]
pub enum Model {
    /// Dense layers with ReLU, on 784 features.
    Mlp,
    /// Convolutions 3×3 with ReLU, on images 3×32×32.
    Cnn,
}

/// A size at which time and memory are measured.
#[derive(Args, Clone, Copy)]
pub struct Point {
    model: Model,
    batch: usize,
    /// Units or channels of a layer.
    width: usize,
    /// Hidden layers.
    depth: usize,
}

/// What was measured at a point.
struct Found {
    milliseconds: f64,
    mebibytes: f64,
    /// 10⁹ floating-point operations of a step.
    work: f64,
    /// MiB allocated in a step.
    allocated: f64,
}

impl Point {
    fn model(&self) -> Sequential {
        let Point { width, depth, .. } = *self;
        let mut model = Sequential::new();
        match self.model {
            Model::Mlp => {
                for i in 0..depth {
                    model = model.add(Linear::new(if i == 0 { 784 } else { width }, width)).add(Relu);
                }
                model.add(Linear::new(width, 10))
            }
            Model::Cnn => {
                for i in 0..depth {
                    model = model.add(Conv2d::new(if i == 0 { 3 } else { width }, width, 3).padding(1)).add(Relu);
                }
                model.add(AdaptiveAvgPool2d::new(1)).add(Flatten::new()).add(Linear::new(width, 10))
            }
        }
    }

    /// Measures and prints: milliseconds of a step, peak KiB of the process, operations, bytes allocated.
    pub fn process(&self) {
        manual_seed(0);
        let model = self.model();
        let optimizer = Adam::new(1e-3).optimize(model.parameters());
        let sample: &[usize] = if matches!(self.model, Model::Mlp) { &[784] } else { &[3, 32, 32] };
        let (x, y) = (Tensor::randn([&[self.batch], sample].concat()), Tensor::randint(0, 10, self.batch));
        let step = || {
            let loss = cross_entropy(&model.forward(&x), &y);
            optimizer.step(&loss.backward()).expect("every parameter has a gradient");
        };
        step();
        let ((), profiled) = profile(step);
        let rows = profiled.rows();
        let (flops, allocated) = rows.iter().fold((0, 0), |(f, a), row| (f + row.flops, a + row.allocated));
        let (begin, mut seconds) = (Instant::now(), Vec::new());
        while seconds.len() < 5 || begin.elapsed().as_secs_f64() < 0.25 {
            let start = Instant::now();
            step();
            seconds.push(start.elapsed().as_secs_f64());
        }
        println!("{} {} {flops} {allocated}", Spread::of(seconds).median * 1e3, peak_kib());
    }

    /// Starts processes that measure; the best of three.
    fn measure(&self, threads: usize, patience: &mut Patience) -> Result<Found, Box<dyn Error>> {
        let model = self.model.to_possible_value().expect("no model is skipped").get_name().to_owned();
        let numbers = [self.batch, self.width, self.depth].map(|n| n.to_string());
        let mut best: Option<Found> = None;
        for _ in 0..3 {
            patience.wait();
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["growth-point", &model]).args(&numbers).args(["--threads", &threads.to_string()]);
            let said = String::from_utf8(command.output()?.stdout)?;
            let found: Vec<f64> = said.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
            let &[milliseconds, kib, flops, allocated] = &found[..] else { return Err("a point failed".into()) };
            let (mebibytes, work, allocated) = (kib / 1024.0, flops * 1e-9, allocated / f64::from(1 << 20));
            if best.as_ref().is_none_or(|best| milliseconds < best.milliseconds) {
                best = Some(Found { milliseconds, mebibytes, work, allocated });
            }
        }
        Ok(best.expect("it was measured"))
    }
}

/// Seconds that all of it may wait for a quiet machine.
const PATIENCE: f64 = 60.0;

/// Measures, writes `growth-mlp.svg` and `growth-cnn.svg` into the folder, and prints how well lines fit.
pub fn plot(folder: &Path, threads: usize) -> Result<(), Box<dyn Error>> {
    let machine = machine::line(threads);
    println!("{machine}");
    let mut patience = Patience::seconds(PATIENCE);
    let mlp = Point { model: Model::Mlp, batch: 128, width: 256, depth: 3 };
    let cnn = Point { model: Model::Cnn, batch: 32, width: 32, depth: 3 };
    let batches = |n: usize| [1, 2, 4, 6, 8].map(|i| i * n);
    for (name, middle, batches, widths) in
        [("mlp", mlp, batches(64), [128, 256, 512, 768, 1024]), ("cnn", cnn, batches(16), [16, 32, 64, 96, 128])]
    {
        let axes = [
            ("batch size", batches.map(|batch| Point { batch, ..middle })),
            ("width", widths.map(|width| Point { width, ..middle })),
            ("depth", [1, 2, 4, 6, 8].map(|depth| Point { depth, ..middle })),
        ];
        let (mut times, mut memories) = (Vec::new(), Vec::new());
        for (axis, points) in axes {
            let found =
                points.iter().map(|point| point.measure(threads, &mut patience)).collect::<Result<Vec<_>, _>>()?;
            let places = points.map(|point| match axis {
                "batch size" => point.batch,
                "width" => point.width,
                _ => point.depth,
            } as f64);
            let panel = |y: &str, work: Vec<f64>, measured: Vec<f64>| {
                let fit = Fit::of(&work, &measured);
                println!("{name}, {y} against {axis}: {fit}");
                let points = places.iter().copied().zip(measured).collect();
                let line = places.iter().copied().zip(work.iter().map(|&work| fit.at(work))).collect();
                Plot { title: format!("{name}: {y}"), x: axis.into(), y: y.into(), points, line }
            };
            let of = |value: fn(&Found) -> f64| found.iter().map(value).collect::<Vec<f64>>();
            times.push(panel("ms a step", of(|f| f.work), of(|f| f.milliseconds)));
            memories.push(panel("peak MiB", of(|f| f.allocated), of(|f| f.mebibytes)));
        }
        times.append(&mut memories);
        let file = folder.join(format!("growth-{name}.svg"));
        std::fs::write(&file, grid(&times, 3))?;
        println!("wrote {}", file.display());
    }
    Ok(())
}

/// The straight line with the least squares of relative deviations: small sizes count as much as large ones.
struct Fit {
    start: f64,
    slope: f64,
    /// The greatest deviation, relative to what was measured.
    deviation: f64,
}

impl Fit {
    fn of(x: &[f64], y: &[f64]) -> Fit {
        // Σ ((a + b·x − y) / y)² is least where its derivatives by a and b are zero.
        let sum = |f: &dyn Fn(f64, f64) -> f64| x.iter().zip(y).map(|(&x, &y)| f(x, y) / (y * y)).sum::<f64>();
        let (s, sx, sxx) = (sum(&|_, _| 1.0), sum(&|x, _| x), sum(&|x, _| x * x));
        let (sy, sxy) = (sum(&|_, y| y), sum(&|x, y| x * y));
        let slope = (s * sxy - sx * sy) / (s * sxx - sx * sx);
        let start = (sy - slope * sx) / s;
        let deviation = x.iter().zip(y).map(|(x, y)| (start + slope * x - y).abs() / y).fold(0.0, f64::max);
        Fit { start, slope, deviation }
    }

    fn at(&self, x: f64) -> f64 {
        self.start + self.slope * x
    }
}

impl std::fmt::Display for Fit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let verdict = if self.deviation <= 0.25 { "linear" } else { "NOT linear" };
        write!(
            f,
            "{verdict} in the work, {:.3} + {:.4}·work, at most {:.0} % off",
            self.start,
            self.slope,
            100.0 * self.deviation
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_and_a_parabola_is_none() {
        let x = [1.0, 2.0, 4.0, 8.0];
        let line = Fit::of(&x, &x.map(|x| 3.0 + 0.5 * x));
        assert!((line.start - 3.0).abs() < 1e-9 && (line.slope - 0.5).abs() < 1e-9 && line.deviation < 1e-9);
        assert!(Fit::of(&x, &x.map(|x| x * x)).deviation > 0.25);
    }

    #[test]
    fn work_is_that_of_the_model() {
        let point = Point { model: Model::Mlp, batch: 4, width: 32, depth: 2 };
        assert_eq!(point.model().parameter_count(), 784 * 32 + 32 + 32 * 32 + 32 + 320 + 10);
    }
}
