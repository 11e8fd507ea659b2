//! Who does the work: Hadal in this process, another framework in a child process.

use crate::cold_start::peak_kib_of;
use crate::workloads::Workload;
use hadal::kernels::simd::{available, isa};
use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Instant;

/// Something that can do training steps.
pub trait Runner {
    /// Its name in the table.
    fn name(&self) -> String;
    /// What runs, with version numbers.
    fn versions(&self) -> String;
    /// Does so many steps; returns the seconds they took.
    fn run(&mut self, steps: usize) -> Result<f64, Box<dyn Error>>;
    /// Whether a step is a process of its own.
    fn is_a_process_each(&self) -> bool {
        false
    }
    /// The peak memory in MiB of each process since the last call, where a step is a process.
    fn memory(&mut self) -> Vec<f64> {
        Vec::new()
    }
}

/// This library, as the table names it.
pub fn hadal_version() -> String {
    format!("hadal {}", env!("CARGO_PKG_VERSION"))
}

/// This library.
pub struct Hadal {
    name: &'static str,
    step: Box<dyn FnMut()>,
}

impl Hadal {
    pub fn new(workload: &Workload) -> Hadal {
        Hadal { name: "hadal", step: workload.prepare() }
    }

    /// The workload's step as a compiled function.
    pub fn compiled(workload: &Workload) -> Result<Hadal, Box<dyn Error>> {
        let step = workload.prepare_compiled().ok_or("there is nothing to compile")?;
        Ok(Hadal { name: "hadal-compiled", step })
    }
}

impl Runner for Hadal {
    fn name(&self) -> String {
        self.name.into()
    }

    fn versions(&self) -> String {
        hadal_version()
    }

    fn run(&mut self, steps: usize) -> Result<f64, Box<dyn Error>> {
        let start = Instant::now();
        (0..steps).for_each(|_| (self.step)());
        Ok(start.elapsed().as_secs_f64())
    }
}

/// The program of a peer in Rust, compiled if it has to be.
fn compiled(workspace: &Path, framework: &str) -> Result<PathBuf, Box<dyn Error>> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/peers");
    let package = format!("peer-{framework}");
    // In the folder, so that Cargo reads its configuration.
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--locked", "--quiet", "--package", &package, "--target-dir"]).arg(&target);
    let done = cargo.current_dir(workspace).output().map_err(|error| format!("cargo: {error}"))?;
    match done.status.success() {
        true => Ok(target.join("release").join(package)),
        false => Err(String::from_utf8_lossy(&done.stderr).lines().next_back().unwrap_or("cargo failed").into()),
    }
}

/// What keeps a framework to the instructions that this library is kept to, where `HADAL_ISA` does that.
///
/// # Errors
/// If nothing keeps it.
fn narrowed(framework: &str) -> Result<Vec<(&'static str, &'static str)>, String> {
    if available().first() == Some(&isa()) {
        return Ok(Vec::new());
    }
    let set = format!("{:?}", isa());
    if set != "Avx2" || !["torch", "jax", "keras"].contains(&framework) {
        return Err(format!("nothing keeps {framework} to {set}"));
    }
    Ok(vec![
        ("ATEN_CPU_CAPABILITY", "avx2"),
        ("MKL_ENABLE_INSTRUCTIONS", "AVX2"),
        ("ONEDNN_MAX_CPU_ISA", "AVX2"),
        ("XLA_FLAGS", "--xla_cpu_max_isa=AVX2"),
    ])
}

/// A program that says `ready` and its versions, then answers each line with a number of steps by a line with the seconds they took.
pub struct Child {
    name: String,
    versions: String,
    child: std::process::Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// Reads what it writes to stderr as it comes, lest the pipe fills up; the last line is the result.
    errors: Option<JoinHandle<String>>,
}

impl Child {
    /// `name` is a framework, `-` and a variant of it; a program in Rust is compiled first.
    pub fn start(
        python: &Path,
        folder: &Path,
        name: &str,
        workload: &str,
        threads: usize,
    ) -> Result<Child, Box<dyn Error>> {
        let (framework, variant) = name.split_once('-').unwrap_or((name, ""));
        let (rust, program) = (folder.join("rust"), folder.join(framework).with_extension("py"));
        let mut command = if rust.join(framework).is_dir() {
            Command::new(compiled(&rust, framework)?)
        } else if program.is_file() {
            let mut command = Command::new(python);
            command.arg(program);
            command
        } else {
            return Err(format!("there is no program {}", program.display()).into());
        };
        command.args([workload, variant, &threads.to_string()]);
        for variable in ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"] {
            command.env(variable, threads.to_string());
        }
        command.envs(narrowed(framework)?);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let (input, output) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        let errors = BufReader::new(child.stderr.take().expect("a pipe"));
        let last = || errors.split(b'\n').map_while(Result::ok).last().unwrap_or_default();
        let errors = Some(std::thread::spawn(|| String::from_utf8_lossy(&last()).into_owned()));
        let (name, versions, output) = (name.into(), String::new(), BufReader::new(output));
        let mut child = Child { name, versions, child, input, output, errors };
        let line = child.answer()?;
        child.versions = line.strip_prefix("ready ").ok_or_else(|| format!("answered `{line}`"))?.to_owned();
        Ok(child)
    }

    /// The most memory that the process has had, in KiB.
    pub fn peak_kib(&self) -> u64 {
        peak_kib_of(&self.child.id().to_string())
    }

    /// The next line; where there is none, the last line of what the program wrote to stderr is the error.
    fn answer(&mut self) -> Result<String, Box<dyn Error>> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            let last = self.errors.take().and_then(|errors| errors.join().ok()).filter(|line| !line.is_empty());
            return Err(last.unwrap_or_else(|| "it ended without a word".into()).into());
        }
        Ok(line.trim().to_owned())
    }
}

impl Runner for Child {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn versions(&self) -> String {
        self.versions.clone()
    }

    fn run(&mut self, steps: usize) -> Result<f64, Box<dyn Error>> {
        writeln!(self.input, "{steps}")?;
        Ok(self.answer()?.parse()?)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
