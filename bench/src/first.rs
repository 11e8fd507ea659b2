//! `first`: the first step of a compiled function, which traces and compiles it, beside that of other frameworks.

use crate::machine;
use crate::peer::{Child, Runner};
use clap::Args;
use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

/// Steps after the first, whose median is a step.
const STEPS: usize = 5;

#[derive(Args)]
pub struct Options {
    /// Workloads by number or name; W1 to W9 without.
    workloads: Vec<String>,
    /// Other frameworks that compile: torch-compile, jax, keras-xla.
    #[arg(long, value_delimiter = ',')]
    against: Vec<String>,
    /// The Python that has them.
    #[arg(long, default_value = "python3")]
    python: PathBuf,
    /// The folder of their programs.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/peers"))]
    peers: PathBuf,
}

impl Options {
    /// Prints a line for each framework and workload.
    ///
    /// # Errors
    /// If a framework's program fails.
    pub fn measure(&self, threads: usize) -> Result<(), Box<dyn Error>> {
        eprintln!("{}", machine::line(threads));
        println!("{:<24} {:<16} {:>14} {:>14}", "", "", "first step, ms", "a step, ms");
        for workload in crate::workloads::chosen(&self.workloads)? {
            let Some(mut step) = workload.prepare_compiled() else { continue };
            print(&workload.name, "hadal-compiled", &mut || {
                step();
                Ok(())
            })?;
            for name in &self.against {
                let mut child = Child::start(&self.python, &self.peers, name, &workload.name, threads)?;
                print(&workload.name, name, &mut || child.run(1).map(|_| ()))?;
            }
        }
        Ok(())
    }
}

fn print(
    workload: &str,
    name: &str,
    step: &mut dyn FnMut() -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let mut timed = || -> Result<f64, Box<dyn Error>> {
        let start = Instant::now();
        step()?;
        Ok(1e3 * start.elapsed().as_secs_f64())
    };
    let first = timed()?;
    let mut others = (0..STEPS).map(|_| timed()).collect::<Result<Vec<f64>, _>>()?;
    others.sort_by(f64::total_cmp);
    println!("{workload:<24} {name:<16} {first:>14.2} {:>14.3}", others[STEPS / 2]);
    Ok(())
}
