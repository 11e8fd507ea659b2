//! W11: fresh processes, from nothing to the first prediction of W5's model.

use crate::peer::{Runner, hadal_version};
use hadal::prelude::*;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// The model with fresh weights, and one prediction.
pub fn predict() {
    let model = Sequential::new().add(Linear::new(784, 128)).add(Relu).add(Linear::new(128, 10));
    model.eval();
    std::hint::black_box(no_grad(|| model.forward(&Tensor::randn([1, 784]))).argmax(1).item::<i64>());
}

/// What a fresh process of this program does: it predicts, and prints its peak memory in KiB and what it ran.
pub fn process() {
    predict();
    println!("{} {}", peak_kib(), hadal_version());
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
    /// This program, with the subcommand that calls [`process`].
    pub fn hadal() -> Result<Fresh, Box<dyn Error>> {
        Fresh::new("hadal", std::env::current_exe()?, vec!["cold-start".into()])
    }

    /// Another framework, in Python.
    pub fn peer(name: &str, python: &Path, peers: &Path) -> Result<Fresh, Box<dyn Error>> {
        let path = |path: PathBuf| path.to_string_lossy().into_owned();
        let mut arguments = vec![path(peers.join("cold_start.py")), name.to_owned()];
        if name == "onnxruntime" {
            let file = path(std::env::temp_dir().join(format!("hadal-bench-{}.onnx", std::process::id())));
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

impl Drop for Fresh {
    fn drop(&mut self) {
        if let Some(file) = self.arguments.last().filter(|argument| argument.ends_with(".onnx")) {
            let _ = std::fs::remove_file(file);
        }
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
