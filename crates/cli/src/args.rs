//! What can be typed after `hadal`.

use clap::{Args as Arguments, Parser, Subcommand};
use std::path::PathBuf;
#[cfg(feature = "serve")]
use std::time::Duration;

/// What the exit status means, for `--help`.
const STATUS: &str = "Exit status: 0 done, 1 failed, 2 wrong arguments, 130 stopped by Ctrl-C (a training run with --out \
                      has saved a checkpoint, and goes on with --resume)";

/// Train, evaluate and use neural networks.
#[derive(Parser, Debug)]
#[command(name = "hadal", version, about, after_help = STATUS)]
pub struct Args {
    /// Number of threads; results do not depend on it.
    #[arg(long, global = true, env = "HADAL_THREADS", value_name = "N", value_parser = at_least_one)]
    pub threads: Option<usize>,

    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Train a model by a recipe: digits, mnist, fashion-mnist, cifar10, image-folder, csv, npz, or a TOML file.
    #[command(after_help = STATUS)]
    Train(Train),
    /// Measure a trained model on test data.
    Evaluate(Evaluate),
    /// Classify files (PNG, JPEG, npy, or CSV for a model of tables) with a trained model.
    Predict(Predict),
    /// Serve trained models over HTTP by the Open Inference Protocol v2; ends on Ctrl-C or SIGTERM.
    #[cfg(feature = "serve")]
    Serve(Serve),
    /// Show a model's layers, shapes, parameters and FLOPs.
    Summary(Summary),
    /// Make a trained model smaller and faster: 16 bits, 8 bits, fewer weights; writes the smallest that is good enough.
    Compress(Compress),
    /// Write a trained model as ONNX.
    Export(Export),
    /// Draw what a model computes, as SVG or for Graphviz, or print it.
    Graph(Graph),
    /// List the data sets that have a name, and whether they are here.
    Datasets,
    /// List the models that have a name.
    Models,
    /// Show what Hadal finds on this machine.
    Doctor,
}

#[derive(Arguments, Debug)]
pub struct Train {
    /// A built-in recipe, or the path of a TOML file.
    pub recipe: String,
    /// Model, by a name from `hadal models`.
    #[arg(long, value_name = "M")]
    pub model: Option<String>,
    /// Passes over the training data.
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub epochs: Option<usize>,
    /// Samples per step.
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub batch_size: Option<usize>,
    /// Learning rate.
    #[arg(long, value_name = "X", value_parser = positive, allow_negative_numbers = true)]
    pub lr: Option<f64>,
    /// Optimizer: sgd, adam, adamw, rmsprop, …
    #[arg(long, value_name = "O")]
    pub optimizer: Option<String>,
    /// Seed of initial weights, order, augmentation and dropout.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Folder (or CSV or npz file) of the data.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Folder that receives model.safetensors, metrics.csv and run.json.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Continue from the checkpoint in --out, if there is one.
    #[arg(long, requires = "out")]
    pub resume: bool,
    /// Train on the first N samples only.
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub limit: Option<usize>,
    /// Print where the time of the training went, by op and by layer, and write the timeline to FILE in the trace-event
    /// format; without FILE, to profile.json in the --out folder or here. A few steps tell enough: see --limit.
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    pub profile: Option<Option<PathBuf>>,
    /// Print the recipe with all flags applied, and stop.
    #[arg(long)]
    pub print_config: bool,
    /// Print one JSON object as the last line.
    #[arg(long)]
    pub json: bool,
}

#[derive(Arguments, Debug)]
pub struct Evaluate {
    /// A model file written by `hadal train`.
    pub model: PathBuf,
    /// Folder (or CSV or npz file) of the data; by default the test part of the data the model was trained with.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Print one JSON object as the last line.
    #[arg(long)]
    pub json: bool,
}

#[derive(Arguments, Debug)]
pub struct Predict {
    /// A model file written by `hadal train`.
    pub model: PathBuf,
    /// PNG, JPEG or npy files; CSV files for a model of tables.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Number of labels to show for each file.
    #[arg(long, value_name = "K", default_value_t = 3, value_parser = at_least_one)]
    pub top: usize,
    /// Print one JSON object as the last line.
    #[arg(long)]
    pub json: bool,
}

#[cfg(feature = "serve")]
#[derive(Arguments, Debug)]
pub struct Serve {
    /// Model files (.safetensors, .onnx), folders with versions (1/model.safetensors, 2/…), or folders of models; NAME=PATH
    /// gives a name.
    #[arg(required = true, value_name = "MODEL")]
    pub models: Vec<String>,
    /// Address to listen on; 0.0.0.0 or :: serves other machines too.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub host: String,
    /// Port to listen on; with 0 the system chooses one.
    #[arg(long, value_name = "N", default_value_t = 8000)]
    pub port: u16,
    /// Port for gRPC, on the same address (needs a build with --features grpc).
    #[arg(long, value_name = "N")]
    pub grpc_port: Option<u16>,
    /// Give the same bits as `hadal predict`: without it, batch normalization is folded into convolutions, which is faster
    /// and rounds otherwise.
    #[arg(long)]
    pub exact: bool,
    /// Samples in one run of a model, joined from requests that wait.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = at_least_one)]
    pub max_batch: usize,
    /// How long a request may wait for others to share its batch, as 500us or 2ms. Without it, only requests that came
    /// while the model was busy share one.
    #[arg(long, value_name = "TIME", default_value = "0ms", value_parser = time)]
    pub batch_delay: Duration,
    /// Requests of a model that may wait; more are refused with status 429.
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = at_least_one)]
    pub queue: usize,
    /// Size of a request's body, and of what its images become, as 64MiB; more is refused with status 413.
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = size)]
    pub max_body: usize,
    /// Size of all bodies and answers at once; more are refused with status 503.
    #[arg(long, value_name = "SIZE", default_value = "512MiB", value_parser = size)]
    pub max_memory: usize,
    /// Open connections; more are refused with status 503.
    #[arg(long, value_name = "N", default_value_t = 16384, value_parser = at_least_one)]
    pub max_connections: usize,
    /// Time for an answer once a request is read; after it, status 504.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    pub timeout: Duration,
    /// Time for a request's body to arrive; after it, status 408.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = time)]
    pub body_timeout: Duration,
    /// Time for requests that run when the server is stopped.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    pub drain: Duration,
    /// Look at the files this often, and load models again that have changed.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub watch: Option<Duration>,
    /// File with a token that clients must send as `Authorization: Bearer TOKEN`; without it, the variable HADAL_TOKEN.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Certificate chain for HTTPS, PEM (needs a build with --features tls).
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Private key for HTTPS, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Write no line per request on standard error.
    #[arg(long)]
    pub no_access_log: bool,
}

#[derive(Arguments, Debug)]
pub struct Summary {
    /// A name from `hadal models`, or a model file.
    pub model: String,
    /// Input shape of one sample, for a model given by name.
    #[arg(long, value_name = "C,H,W", value_delimiter = ',', default_value = "1,28,28", value_parser = at_least_one)]
    pub input: Vec<usize>,
    /// Number of outputs, for a model given by name.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = at_least_one)]
    pub classes: usize,
}

#[derive(Arguments, Debug)]
pub struct Compress {
    /// A model file written by `hadal train`.
    pub model: PathBuf,
    /// The file to write; without it, only the table is printed.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Folder (or CSV or npz file) of the data; by default that which the model was trained with. Its training part
    /// calibrates, its test part decides.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Largest size of the file, as 3MiB.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub target_size: Option<usize>,
    /// What may be lost: percent of the samples that are no longer right, or percent by which the error of predicted numbers
    /// grows.
    #[arg(long, value_name = "PERCENT", default_value = "1", value_parser = percent)]
    pub max_drop: f64,
    /// Try only these, separated by commas: f16, bf16, int8-weights, int8-dynamic, int8-static.
    #[arg(long, value_name = "METHODS", value_delimiter = ',')]
    pub methods: Vec<String>,
    /// Percent of the weights to prune before, while the model trains on for --epochs.
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub prune: Option<f64>,
    /// Passes over the training data for --prune.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = at_least_one, requires = "prune")]
    pub epochs: usize,
    /// How ranges are found for int8-static: min-max, percentile (without 0.01 % at each end), or entropy.
    #[arg(long, value_name = "HOW", default_value = "entropy")]
    pub calibration: String,
    /// Training samples to find them with.
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = at_least_one)]
    pub samples: usize,
    /// Print one JSON object as the last line.
    #[arg(long)]
    pub json: bool,
}

#[derive(Arguments, Debug)]
pub struct Export {
    /// A model file written by `hadal train`.
    pub model: PathBuf,
    /// The file to write.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Number of samples that the written model takes at once.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    pub batch: usize,
    /// Let it take any number of samples.
    #[arg(long, conflicts_with = "batch")]
    pub dynamic_batch: bool,
    /// Read the file again, run it on random inputs, and show how far its outputs are from the model's.
    #[arg(long)]
    pub verify: bool,
    /// Verify with onnxruntime as well, by this Python, which has it.
    #[arg(long, value_name = "PROGRAM", requires = "verify")]
    pub python: Option<PathBuf>,
}

#[derive(Arguments, Debug)]
pub struct Graph {
    /// A name from `hadal models`, a model file, or an ONNX file.
    pub model: String,
    /// The file to write: .svg, or .dot for Graphviz. Without it the graph is printed.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Number of samples at once; also for other sizes that an ONNX model leaves open.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    pub batch: usize,
    /// Input shape of one sample, for a model given by name.
    #[arg(long, value_name = "C,H,W", value_delimiter = ',', default_value = "1,28,28", value_parser = at_least_one)]
    pub input: Vec<usize>,
    /// Number of outputs, for a model given by name.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = at_least_one)]
    pub classes: usize,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.trim().parse().ok().filter(|n| *n > 0).ok_or_else(|| "expected a whole number of at least 1".into())
}

fn positive(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.trim().parse().ok();
    number.filter(|x| x.is_finite() && *x > 0.0).ok_or_else(|| "expected a number above 0".into())
}

/// A time such as `500us`, `2ms`, `1.5s`.
#[cfg(feature = "serve")]
fn time(text: &str) -> Result<Duration, String> {
    let units = [("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("s", 1.0)];
    let seconds = with_unit(text, &units).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| "expected a time with its unit, such as 500us, 2ms or 30s".into())
}

/// A share from a number of percent such as `1`, `0.5%`.
fn percent(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.trim().trim_end_matches('%').trim_end().parse().ok();
    let share = number.map(|percent| percent / 100.0).filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "expected percent, from 0 to 100".into())
}

/// A number of bytes such as `64MiB`, `512KiB`, `1GiB`, `1000`.
fn size(text: &str) -> Result<usize, String> {
    let units = [("KiB", 1024.0), ("MiB", 1048576.0), ("GiB", 1073741824.0), ("", 1.0)];
    let bytes = with_unit(text, &units).filter(|bytes| (1.0..1e15).contains(bytes));
    bytes.map(|bytes| bytes as usize).ok_or_else(|| "expected a size such as 512KiB, 64MiB, 1GiB or bytes".into())
}

/// A number times its unit: the first whose name ends the text.
fn with_unit(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let split = |(unit, factor): &(&str, f64)| Some((text.trim().strip_suffix(unit)?, *factor));
    let (number, factor) = units.iter().find_map(split)?;
    number.trim().parse::<f64>().ok().map(|number| number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percents_and_sizes() {
        assert_eq!([percent("1"), percent("0.5%"), percent("100 %")], [Ok(0.01), Ok(0.005), Ok(1.0)]);
        assert!([percent("-1"), percent("101"), percent("x")].iter().all(Result::is_err));
        assert_eq!([size("512KiB"), size("1GiB"), size("1000")], [Ok(524_288), Ok(1 << 30), Ok(1000)]);
        assert!([size("0"), size("-5"), size("1MB"), size("")].iter().all(Result::is_err));
    }

    #[cfg(feature = "serve")]
    #[test]
    fn times() {
        let micros = |text| time(text).map(|time| time.as_micros());
        assert_eq!([micros("500us"), micros("2ms"), micros("1.5s")], [Ok(500), Ok(2000), Ok(1_500_000)]);
        assert!([micros("5"), micros("ms"), micros("-1s"), micros("nans")].iter().all(Result::is_err));
    }
}
