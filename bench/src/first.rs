//! `first`: the first step of a compiled function, which traces and compiles it, beside the ones after it.

use crate::machine;
use clap::Args;
use std::error::Error;
use std::time::Instant;

/// Steps after the first, whose median is a step.
const STEPS: usize = 5;

#[derive(Args)]
pub struct Options {
    /// Workloads by number or name; W1 to W9 without.
    workloads: Vec<String>,
}

impl Options {
    /// Prints a line for each workload.
    ///
    /// # Errors
    /// If there is no such workload.
    pub fn measure(&self, threads: usize) -> Result<(), Box<dyn Error>> {
        eprintln!("{}", machine::line(threads));
        println!("{:<24} {:>14} {:>14}", "", "first step, ms", "a step, ms");
        for workload in crate::workloads::chosen(&self.workloads)? {
            let Some(mut step) = workload.prepare_compiled() else { continue };
            let mut timed = || {
                let start = Instant::now();
                step();
                1e3 * start.elapsed().as_secs_f64()
            };
            let first = timed();
            let mut others: Vec<f64> = (0..STEPS).map(|_| timed()).collect();
            others.sort_by(f64::total_cmp);
            println!("{:<24} {first:>14.2} {:>14.3}", workload.name, others[STEPS / 2]);
        }
        Ok(())
    }
}
