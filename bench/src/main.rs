//! Times Hadal and, with `--against`, other frameworks doing the same work.
//!
//! ```text
//! cargo run --release -p hadal-bench                                # Hadal alone, every workload
//! cargo run --release -p hadal-bench -- W1 W9 --threads 1 --json
//! cargo run --release -p hadal-bench -- --against torch,torch-fused,jax --python python3
//! HADAL_ISA=avx2 cargo run --release -p hadal-bench -- --against torch    # without AVX-512, PyTorch neither
//! cargo run --release -p hadal-bench -- W8 --profile
//! cargo run --release -p hadal-bench -- ops softmax conv2d          # single operations against the machine's ceiling
//! cargo run --release -p hadal-bench -- bits                        # the same weights on any threads, everywhere
//! cargo run --release -p hadal-bench -- errors                      # every kernel against f64
//! cargo run --release -p hadal-bench -- fit --data DATA             # whole training runs against the bare step
//! cargo run --release -p hadal-bench -- memory                      # peak memory of training steps beside PyTorch's
//! cargo run --release -p hadal-bench -- growth                      # time and memory against the size of a model
//! cargo run --release -p hadal-bench -- retrace                     # what a new batch size costs a graph for inference
//! ```
//!
//! Machines are shared and noisy, so only ratios count: the frameworks take turns, a block of steps each, and the
//! ratio is taken within each turn.

mod bits;
mod cold_start;
mod compare;
mod errors;
mod first;
mod fit;
mod growth;
mod machine;
mod memory;
mod ops;
mod peer;
mod profile;
mod quiet;
mod report;
mod retrace;
mod spread;
mod svg;
mod workloads;

use clap::{Args, Parser, Subcommand};
use cold_start::Fresh;
use compare::{Measured, Plan};
use peer::{Child, Hadal, Runner};
use std::error::Error;
use std::path::PathBuf;
use workloads::{Measure, Workload};

/// Times Hadal, alone or beside other frameworks.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    comparison: Comparison,
    /// Threads of every framework; 0 for as many as there are cores.
    #[arg(long, env = "HADAL_THREADS", default_value_t = 0, global = true)]
    threads: usize,
    /// One JSON object a line instead of tables.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Measure single operations, on the inputs of their test cases made large, against the machine's ceiling.
    Ops {
        /// Operations by name; all without.
        names: Vec<String>,
    },
    /// Plot time and memory of training steps against batch size, width and depth, and check that they are linear.
    Growth {
        /// The folder of the plots.
        #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs"))]
        folder: PathBuf,
    },
    /// Train W1 to W8 a few steps on 1, 2, 3 and 8 threads and on every instruction set, and fail unless the weights are
    /// the same, bit by bit.
    Bits {
        /// Workloads by number or name; all without.
        workloads: Vec<String>,
        /// Training steps.
        #[arg(long, default_value_t = 2)]
        steps: usize,
    },
    /// Measure the error of every fast kernel against f64, beside that of a plain f32 kernel.
    Errors,
    /// Time `fit` from raw files beside the bare training step on batches in memory.
    Fit {
        /// fit_mnist_mlp, fit_cifar10_cnn or fit_cifar10_resnet18; all without.
        names: Vec<String>,
        /// The folder of the data sets' files.
        #[arg(long, env = "HADAL_DATA")]
        data: PathBuf,
        /// Turns.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
    },
    /// Show the peak memory of training steps, eager and compiled, beside that of other frameworks.
    Memory(memory::Options),
    /// Time the first step of compiled functions, which traces and compiles them, beside the ones after it.
    First(first::Options),
    /// Time the first call with a new batch size beside the next ones, for graphs for inference.
    Retrace(retrace::Options),
    /// The training steps of `memory`, in a process of their own.
    #[command(hide = true)]
    MemoryRun(memory::Run),
    /// The training steps of `bits`, in a process of their own.
    #[command(hide = true)]
    BitsRun(bits::Run),
    /// One point of a plot, in a process of its own.
    #[command(hide = true)]
    GrowthPoint(growth::Point),
    /// A prediction, in a process of its own.
    #[command(hide = true)]
    ColdStart {
        /// The model's file; without, a small model with fresh weights.
        file: Option<PathBuf>,
    },
}

#[derive(Args)]
struct Comparison {
    /// Workloads by number or name (W1, W5_mlp_seed4, W10_conv2d); all without.
    workloads: Vec<String>,
    /// Others: hadal-compiled (the step as a compiled function), torch, torch-fused, torch-channels-last, torch-compile, torch-out, jax, keras, keras-xla,
    /// onnxruntime, burn, candle. The last two are compiled when they are first asked for, which takes minutes.
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
    /// How often a workload is measured at most, when the blocks disagree.
    #[arg(long, default_value_t = 3)]
    attempts: usize,
    /// Seconds that a workload waits for a quiet machine at most.
    #[arg(long, default_value_t = 15.0)]
    patience: f64,
    /// Show where Hadal's time goes instead (compiled, with `--against hadal-compiled`), and write timelines into FOLDER if one is given.
    #[arg(long, value_name = "FOLDER", num_args = 0..=1)]
    profile: Option<Option<PathBuf>>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let Arguments { command, comparison, threads, json } = Arguments::parse();
    let threads = if threads == 0 { std::thread::available_parallelism()?.get() } else { threads };
    hadal::set_threads(threads);
    match command {
        Some(Command::ColdStart { file }) => cold_start::process(file.as_deref())?,
        Some(Command::GrowthPoint(point)) => point.process(),
        Some(Command::Bits { workloads, steps }) => bits::compare(&workloads::chosen(&workloads)?, steps, threads)?,
        Some(Command::Errors) => errors::print()?,
        Some(Command::Fit { names, data, rounds }) => fit::measure(&names, &data, rounds, threads, json)?,
        Some(Command::BitsRun(run)) => run.process(),
        Some(Command::Memory(options)) => options.measure(threads)?,
        Some(Command::MemoryRun(run)) => run.process(),
        Some(Command::First(options)) => options.measure(threads)?,
        Some(Command::Retrace(options)) => options.measure()?,
        Some(Command::Growth { folder }) => growth::plot(&folder, threads)?,
        Some(Command::Ops { names }) => ops::measure(&names, threads, json)?,
        None => compared(&comparison, threads, json)?,
    }
    Ok(())
}

/// Profiles or compares the workloads that are asked for.
fn compared(arguments: &Comparison, threads: usize, json: bool) -> Result<(), Box<dyn Error>> {
    let workloads = workloads::chosen(&arguments.workloads)?;
    eprintln!("{}", machine::line(threads));
    if let Some(folder) = &arguments.profile {
        let compiled = arguments.against.iter().any(|name| name == "hadal-compiled");
        return workloads.iter().try_for_each(|workload| profile::profile(workload, compiled, folder.as_deref()));
    }
    let plan = Plan {
        rounds: arguments.rounds.max(1),
        block: arguments.block,
        attempts: arguments.attempts.max(1),
        patience: arguments.patience,
    };
    let (mut all, mut failed): (Vec<(Workload, Vec<Measured>)>, _) = (Vec::new(), 0);
    for workload in workloads {
        let measured = runners(&workload, threads, arguments).and_then(|runners| compare::measure(runners, &plan));
        let measured = match measured {
            Ok(measured) => measured,
            Err(reason) => {
                // The others may still be worth their time.
                eprintln!("{}: {reason}", workload.name);
                failed += 1;
                continue;
            }
        };
        match json {
            true => report::lines(&workload, threads, &measured).iter().for_each(|line| println!("{line}")),
            false => println!("{}", report::table(&workload, &measured)),
        }
        all.push((workload, measured));
    }
    let mut versions: Vec<&str> = all.iter().flat_map(|(_, m)| m).map(|one| one.versions.as_str()).collect();
    versions.sort();
    versions.dedup();
    eprintln!("versions: {}", versions.join(", "));
    if !json && !arguments.against.is_empty() {
        println!("{}", report::summary(&arguments.against, &all));
    }
    if failed > 0 { Err(format!("{failed} workloads could not be measured").into()) } else { Ok(()) }
}

/// Hadal, and the frameworks that can do the workload; of the others the reason is said.
fn runners(
    workload: &Workload,
    threads: usize,
    arguments: &Comparison,
) -> Result<Vec<Box<dyn Runner>>, Box<dyn Error>> {
    let Comparison { python, peers, .. } = arguments;
    let cold = workload.measure == Measure::ColdStart;
    let mut runners: Vec<Box<dyn Runner>> =
        vec![if cold { Box::new(Fresh::hadal(&workload.name)?) } else { Box::new(Hadal::new(workload)) }];
    for name in &arguments.against {
        let started: Result<Box<dyn Runner>, _> = match cold {
            false if name == "hadal-compiled" => Hadal::compiled(workload).map(|hadal| Box::new(hadal) as _),
            true => Fresh::peer(&workload.name, name, python, peers).map(|fresh| Box::new(fresh) as _),
            false => Child::start(python, peers, name, &workload.name, threads).map(|child| Box::new(child) as _),
        };
        match started {
            Ok(runner) => runners.push(runner),
            Err(reason) => eprintln!("{name} cannot run {}: {reason}", workload.name),
        }
    }
    Ok(runners)
}
