//! `memory`: the most memory that processes have had after a few training steps, ours and those of other frameworks.

use crate::cold_start::peak_kib;
use crate::machine;
use crate::peer::{Child, Runner};
use crate::workloads::{Measure, Workload, training};
use clap::Args;
use std::error::Error;
use std::path::PathBuf;
use std::process::Command;

/// Steps, of which the first make everything that stays.
const STEPS: usize = 4;

#[derive(Args)]
pub struct Options {
    /// Training workloads by number or name.
    #[arg(default_values_t = ["W7".to_owned(), "W8".to_owned()])]
    workloads: Vec<String>,
    /// Other frameworks.
    #[arg(long, value_delimiter = ',', default_value = "torch")]
    against: Vec<String>,
    /// The Python that has them.
    #[arg(long, default_value = "python3")]
    python: PathBuf,
    /// The folder of their programs.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/peers"))]
    peers: PathBuf,
}

/// Training steps in a process of their own.
#[derive(Args)]
pub struct Run {
    workload: String,
    batch: usize,
    #[arg(action = clap::ArgAction::Set)]
    compiled: bool,
}

impl Run {
    /// Does the steps, and prints the peak memory in KiB.
    pub fn process(&self) {
        let training = training::start(&self.workload, self.batch);
        let mut training = if self.compiled { training.compiled() } else { training };
        (0..STEPS).for_each(|_| training.step());
        println!("{}", peak_kib());
    }
}

impl Options {
    /// Prints a table for each workload.
    ///
    /// # Errors
    /// If a process fails, or a workload is not a training.
    pub fn measure(&self, threads: usize) -> Result<(), Box<dyn Error>> {
        eprintln!("{}", machine::line(threads));
        for workload in crate::workloads::chosen(&self.workloads)? {
            let Measure::Training { batch } = workload.measure else {
                return Err(format!("{} is not trained", workload.name).into());
            };
            println!("{} ({}), batch {batch}", workload.name, workload.about);
            let eager = ours(&workload, batch, false, threads)?;
            let mut rows = vec![("hadal", eager), ("hadal-compiled", ours(&workload, batch, true, threads)?)];
            for name in &self.against {
                let mut child = Child::start(&self.python, &self.peers, name, &workload.name, threads)?;
                child.run(STEPS)?;
                rows.push((name, child.peak_kib()));
            }
            for (name, kib) in rows {
                println!("{name:<24} {:>8.1} MiB  {:>5.2}×", kib as f64 / 1024.0, kib as f64 / eager as f64);
            }
        }
        Ok(())
    }
}

fn ours(workload: &Workload, batch: usize, compiled: bool, threads: usize) -> Result<u64, Box<dyn Error>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("memory-run").arg(&workload.name).args([batch.to_string(), compiled.to_string()]);
    let done = command.arg("--threads").arg(threads.to_string()).output()?;
    let (out, errors) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    Ok(out.trim().parse().map_err(|_| errors.lines().next_back().unwrap_or("it said nothing").to_owned())?)
}
