//! `bits`: the training workloads end with the same weights on any number of threads and every instruction set.

use crate::machine;
use crate::workloads::training::{self, Training};
use crate::workloads::{Measure, Workload};
use clap::Args;
use hadal::kernels::simd::{Isa, available, isa};
use std::error::Error;
use std::process::Command;

/// Numbers of threads that are compared.
const THREADS: [usize; 4] = [1, 2, 3, 8];
/// Floating-point operations of a step in plain Rust, which is some hundred times slower: larger batches are cut down.
const SCALAR: f64 = 4e9;
/// Batch normalization has no variance of less.
const LEAST: usize = 2;

/// A few training steps in a process of their own, whose environment chooses the instruction set.
#[derive(Args)]
pub struct Run {
    workload: String,
    batch: usize,
    steps: usize,
}

impl Run {
    fn weights(&self) -> String {
        self.trained(training::start(&self.workload, self.batch))
    }

    fn trained(&self, mut training: Training) -> String {
        (0..self.steps).for_each(|_| training.step());
        training.weights_sha256()
    }

    /// Prints the fingerprint of the weights.
    pub fn process(&self) {
        println!("{}", self.weights());
    }

    /// The fingerprint that a process on another instruction set ends with.
    fn weights_on(&self, isa: Isa) -> Result<String, Box<dyn Error>> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("bits-run").arg(&self.workload).args([self.batch, self.steps].map(|n| n.to_string()));
        let done = command.env("HADAL_ISA", format!("{isa:?}").to_lowercase()).output()?;
        if !done.status.success() {
            return Err(format!("{isa:?}: {}", String::from_utf8_lossy(&done.stderr)).into());
        }
        Ok(String::from_utf8(done.stdout)?.trim().to_owned())
    }

    /// With a batch so small that a step is at most so many floating-point operations.
    fn smaller(&self, flops: f64) -> Run {
        let mut few = training::start(&self.workload, LEAST);
        let ((), profile) = hadal::profile(|| few.step());
        let sample = profile.rows().iter().map(|row| row.flops).sum::<u64>() as f64 / LEAST as f64;
        let batch = ((flops / sample) as usize).clamp(LEAST, self.batch);
        Run { workload: self.workload.clone(), batch, steps: self.steps }
    }

    /// Where else it ran, and whether the weights were `expected`.
    fn elsewhere(&self, expected: &str, threads: usize) -> Result<Vec<(String, bool)>, Box<dyn Error>> {
        let mut found = Vec::new();
        for threads in THREADS {
            hadal::set_threads(threads);
            found.push((format!("{threads} threads"), self.weights() == expected));
        }
        hadal::set_threads(threads);
        let compiled = training::start(&self.workload, self.batch).compiled();
        found.push(("compiled".to_owned(), self.trained(compiled) == expected));
        for other in available().into_iter().filter(|&other| other != isa()) {
            found.push(match other {
                Isa::Scalar => {
                    let run = self.smaller(SCALAR);
                    (format!("{other:?} with batch {}", run.batch), run.weights_on(other)? == run.weights())
                }
                _ => (format!("{other:?}"), self.weights_on(other)? == expected),
            });
        }
        Ok(found)
    }
}

/// Trains those of the workloads that are trained, and prints a line for each.
///
/// # Errors
/// If some weights differ.
pub fn compare(workloads: &[Workload], steps: usize, threads: usize) -> Result<(), Box<dyn Error>> {
    eprintln!("{}", machine::line(threads));
    let mut different = 0;
    for workload in workloads {
        let Measure::Training { batch } = workload.measure else { continue };
        let run = Run { workload: workload.name.clone(), batch, steps };
        let expected = run.weights();
        let found = run.elsewhere(&expected, threads)?;
        let list =
            |same: bool| -> Vec<&str> { found.iter().filter(|one| one.1 == same).map(|one| one.0.as_str()).collect() };
        print!("{:<20} {}  {}", run.workload, &expected[..16], list(true).join(", "));
        if !list(false).is_empty() {
            different += 1;
            print!("; OTHER WEIGHTS: {}", list(false).join(", "));
        }
        println!();
    }
    if different > 0 { Err(format!("{different} workloads end with other weights elsewhere").into()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_follow_the_steps_and_a_batch_can_be_cut_down() {
        let weights = |steps| Run { workload: "W3_dense_keras".into(), batch: 32, steps }.weights();
        assert_ne!(weights(1), weights(2));

        let run = Run { workload: "W5_mlp_seed4".into(), batch: 32, steps: 1 };
        // Two products of 784 × 128 and three of 128 × 10 for a sample: images are no leaves.
        let sample = (2 * (2 * 784 * 128 + 3 * 128 * 10)) as f64;
        assert_eq!(run.smaller(7.5 * sample).batch, 7);
        assert_eq!((run.smaller(0.0).batch, run.smaller(1e12).batch), (LEAST, 32));
    }
}
