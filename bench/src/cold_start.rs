//! W11: fresh processes, from nothing to the first prediction: of W5's model with fresh weights, and of models from files.

use crate::peer::{Runner, hadal_version};
use hadal::format::model_file::ModelFile;
use hadal::models::{self, Spec};
use hadal::nn::state_dict;
use hadal::onnx::Export;
use hadal::prelude::*;
use hadal::{Execution, Meta, Predictor};
use serde_json::json;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// A model whose file is read: the workload's name, the model's, the shape of a sample, the number of classes.
type Stored = (&'static str, &'static str, &'static [usize], usize);

/// The workloads that read a file: safetensors, or ONNX where the name says so.
pub const STORED: [Stored; 4] = [
    ("W11_mnist", "mlp", &[1, 28, 28], 10),
    ("W11_mnist_onnx", "mlp", &[1, 28, 28], 10),
    ("W11_resnet18", "resnet18", &[3, 224, 224], 1000),
    ("W11_resnet18_onnx", "resnet18", &[3, 224, 224], 1000),
];

/// The model with fresh weights, and one prediction.
pub fn predict() {
    let model = Sequential::new().add(Linear::new(784, 128)).add(Relu).add(Linear::new(128, 10));
    model.eval();
    std::hint::black_box(no_grad(|| model.forward(&Tensor::randn([1, 784]))).argmax(1).item::<i64>());
}

/// A model from a file, and one prediction.
fn predict_from(file: &Path) -> Result<()> {
    let predictor = Predictor::load(file, Execution::Inference)?;
    let shape = predictor.inputs()[0].shape.iter().flatten().map(|size| size.unwrap_or(1)).collect::<Vec<_>>();
    std::hint::black_box(predictor.run(&[Tensor::ones(shape)])?[0].argmax(1).item::<i64>());
    Ok(())
}

/// What a fresh process of this program does: it predicts, and prints its peak memory in KiB and what it ran.
pub fn process(file: Option<&Path>) -> Result<()> {
    match file {
        Some(file) => predict_from(file)?,
        None => predict(),
    }
    println!("{} {}", peak_kib(), hadal_version());
    Ok(())
}

/// Writes the file that a workload reads, in the temporary folder; none if it reads none.
fn written(workload: &str) -> Result<Option<PathBuf>> {
    let Some((name, architecture, input, outputs)) = STORED.into_iter().find(|stored| stored.0 == workload) else {
        return Ok(None);
    };
    let model = models::build(architecture, &Spec { input: input.to_vec(), outputs })?;
    model.eval();
    let path = std::env::temp_dir().join(format!("hadal-bench-{name}"));
    if name.ends_with("_onnx") {
        let path = path.with_extension("onnx");
        let shape: Vec<usize> = [1].into_iter().chain(input.iter().copied()).collect();
        let export = Export::new([("input", Meta::new(shape, DType::F32))]);
        export.to_file(&path, &|x| Ok(vec![no_grad(|| model.forward(&x[0]))]))?;
        return Ok(Some(path));
    }
    let path = path.with_extension("safetensors");
    let file = ModelFile {
        architecture: json!({ "name": architecture, "input": input, "outputs": outputs }),
        preprocessing: json!({ "kind": "array", "shape": input }),
        tensors: state_dict(&*model),
        ..ModelFile::default()
    };
    file.write(&path)?;
    Ok(Some(path))
}

/// The most memory that this process has had, in KiB; 0 where the system does not say.
pub fn peak_kib() -> u64 {
    peak_kib_of("self")
}

/// The same of any process, by its number.
pub fn peak_kib_of(process: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Starts a process for each step.
pub struct Fresh {
    name: String,
    versions: String,
    program: PathBuf,
    arguments: Vec<String>,
    memory: Vec<f64>,
}

impl Fresh {
    /// This program, with the subcommand that calls [`process`]; for a workload that reads a file, it is written first.
    pub fn hadal(workload: &str) -> Result<Fresh, Box<dyn Error>> {
        let file = written(workload)?.map(|file| file.to_string_lossy().into_owned());
        Fresh::new("hadal", std::env::current_exe()?, ["cold-start".into()].into_iter().chain(file).collect())
    }

    /// Another framework, in Python, with the file that [`Fresh::hadal`] has written.
    pub fn peer(workload: &str, name: &str, python: &Path, peers: &Path) -> Result<Fresh, Box<dyn Error>> {
        let path = |path: PathBuf| path.to_string_lossy().into_owned();
        let mut arguments = vec![path(peers.join("cold_start.py")), name.to_owned()];
        let stored = STORED.iter().any(|stored| stored.0 == workload);
        if stored {
            let ending = if workload.ends_with("_onnx") { "onnx" } else { "safetensors" };
            arguments.push(path(std::env::temp_dir().join(format!("hadal-bench-{workload}.{ending}"))));
        } else if name == "onnxruntime" {
            let file = path(std::env::temp_dir().join("hadal-bench-W11_cold_start.onnx"));
            let export = [&path(peers.join("onnxruntime.py")), "export", "W9_mlp_seed4_b1", &file];
            let done = Command::new(python).args(export).output()?;
            if !done.status.success() {
                return Err(String::from_utf8_lossy(&done.stderr).lines().next_back().unwrap_or("failed").into());
            }
            arguments.push(file);
        }
        Fresh::new(name, python.to_owned(), arguments)
    }

    fn new(name: &str, program: PathBuf, arguments: Vec<String>) -> Result<Fresh, Box<dyn Error>> {
        let (name, memory) = (name.to_owned(), Vec::new());
        let mut fresh = Fresh { name, versions: String::new(), program, arguments, memory };
        fresh.once()?;
        Ok(fresh)
    }

    fn once(&mut self) -> Result<f64, Box<dyn Error>> {
        let begin = Instant::now();
        let done = Command::new(&self.program).args(&self.arguments).stdin(Stdio::null()).output()?;
        let seconds = begin.elapsed().as_secs_f64();
        let (out, errors) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        let said = out.trim().split_once(' ').filter(|_| done.status.success());
        let (kib, versions) = said.ok_or_else(|| errors.lines().next_back().unwrap_or("it said nothing").to_owned())?;
        self.memory.push(kib.parse::<f64>()? / 1024.0);
        self.versions = versions.to_owned();
        Ok(seconds)
    }
}

impl Runner for Fresh {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn versions(&self) -> String {
        self.versions.clone()
    }

    fn run(&mut self, steps: usize) -> Result<f64, Box<dyn Error>> {
        (0..steps).map(|_| self.once()).sum()
    }

    fn is_a_process_each(&self) -> bool {
        true
    }

    fn memory(&mut self) -> Vec<f64> {
        std::mem::take(&mut self.memory)
    }
}
