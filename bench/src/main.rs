//! Times training steps of Hadal and, with `--against`, of other frameworks doing the same work.
//!
//! ```text
//! cargo run --release -p hadal-bench                                # Hadal alone, every workload
//! cargo run --release -p hadal-bench -- W1 W5 --threads 1 --json
//! cargo run --release -p hadal-bench -- --against torch,torch-fused,jax --python python3
//! ```
//!
//! Machines are shared and noisy, so only ratios count: the frameworks take turns, a block of steps each, and the
//! ratio is taken within each turn.

mod peer;
mod report;
mod workloads;

use clap::Parser;
use peer::{Child, Hadal, Runner};
use report::Measured;
use std::error::Error;
use std::path::PathBuf;
use workloads::{ALL, Workload};

/// Times training steps, alone or beside other frameworks.
#[derive(Parser)]
struct Arguments {
    /// Workloads by number or name (W1, W5_mlp_seed4); all without.
    workloads: Vec<String>,
    /// Threads of every framework; 0 for as many as there are cores.
    #[arg(long, env = "HADAL_THREADS", default_value_t = 0)]
    threads: usize,
    /// Other frameworks: torch, torch-fused, torch-channels-last, torch-compile, jax.
    #[arg(long, value_delimiter = ',')]
    against: Vec<String>,
    /// The Python that has them.
    #[arg(long, default_value = "python3")]
    python: PathBuf,
    /// The folder of their programs.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/peers"))]
    peers: PathBuf,
    /// Turns.
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Seconds of one block of steps.
    #[arg(long, default_value_t = 0.3)]
    block: f64,
    /// One JSON object a line instead of the table.
    #[arg(long)]
    json: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let threads = match arguments.threads {
        0 => std::thread::available_parallelism()?.get(),
        n => n,
    };
    hadal::set_threads(threads);
    if !arguments.json {
        println!("{}", report::machine(threads));
    }
    for workload in chosen(&arguments.workloads)? {
        let measured = measure(workload, threads, &arguments)?;
        match arguments.json {
            true => report::lines(workload, threads, &measured).iter().for_each(|line| println!("{line}")),
            false => println!("{}", report::table(workload, &measured)),
        }
    }
    Ok(())
}

/// The workloads that are asked for.
fn chosen(asked: &[String]) -> Result<Vec<&'static Workload>, String> {
    if asked.is_empty() {
        return Ok(ALL.iter().collect());
    }
    let find = |name: &String| {
        let found = ALL.iter().find(|w| w.name == name || w.name.split('_').next() == Some(name));
        let known: Vec<&str> = ALL.iter().map(|w| w.name).collect();
        found.ok_or_else(|| format!("no workload is called `{name}`; there are {}", known.join(", ")))
    };
    asked.iter().map(find).collect()
}

/// The seconds per step of every framework, turn by turn. One that cannot run is left out and said so.
fn measure(workload: &Workload, threads: usize, arguments: &Arguments) -> Result<Vec<Measured>, Box<dyn Error>> {
    let mut runners: Vec<Box<dyn Runner>> = vec![Box::new(Hadal::new(workload))];
    for name in &arguments.against {
        match Child::start(&arguments.python, &arguments.peers, name, workload.name, threads) {
            Ok(child) => runners.push(Box::new(child)),
            Err(reason) => eprintln!("{name} cannot run {}: {reason}", workload.name),
        }
    }
    let mut steps = Vec::new();
    for runner in &mut runners {
        runner.run(3)?;
        let seconds = runner.run(5)? / 5.0;
        steps.push((arguments.block / seconds).ceil().clamp(1.0, 1e6) as usize);
    }
    let mut measured: Vec<Measured> = runners.iter().map(|r| Measured { peer: r.name(), seconds: vec![] }).collect();
    for _ in 0..arguments.rounds {
        for ((runner, &steps), measured) in runners.iter_mut().zip(&steps).zip(&mut measured) {
            // The threads of the framework before may still be spinning.
            std::thread::sleep(std::time::Duration::from_millis(250));
            runner.run(steps.div_ceil(10))?;
            measured.seconds.push(runner.run(steps)? / steps as f64);
        }
    }
    Ok(measured)
}
