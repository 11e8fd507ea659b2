//! What a new batch size costs a graph for inference: the first call beside the next ones.

use hadal::models::{self, BertSize};
use hadal::onnx::{Dimension, ElementType, Export, Model, Type, Value};
use hadal::prelude::*;
use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What is measured.
#[derive(clap::Args)]
pub struct Options {
    /// ONNX models beside those of the zoo. Sizes that are open become the batch size; floats are random.
    files: Vec<PathBuf>,
}

/// Batch sizes after the first.
const SIZES: std::ops::RangeInclusive<usize> = 2..=6;
/// Calls of which the fastest counts.
const CALLS: usize = 5;

impl Options {
    /// Prints a row for each model.
    pub fn measure(&self) -> Result<(), Box<dyn Error>> {
        println!("| model | first call ms | new size, beyond the run, ms | run ms, batch 1 |");
        println!("|---|---|---|---|");
        let mlp = || Sequential::new().add(Linear::new(784, 128)).add(Relu).add(Linear::new(128, 10));
        let images = |batch: usize| Tensor::randn([batch, 3, 224, 224]);
        let tokens = |batch: usize| Tensor::randint(0, 30522, [batch, 128]);
        zoo("mlp", Box::new(mlp()), |batch| Tensor::randn([batch, 784]))?;
        zoo("resnet18", Box::new(models::resnet18(3, 1000)), images)?;
        zoo("bert_base, 128 tokens", Box::new(models::Bert::new(&BertSize::default())), tokens)?;
        for file in &self.files {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            imported(&name, Model::load(file)?)?;
        }
        Ok(())
    }
}

/// A model of the zoo, compiled, and written as ONNX and read again.
fn zoo(name: &str, model: Box<dyn Layer>, input: impl Fn(usize) -> Tensor) -> Result<(), Box<dyn Error>> {
    model.eval();
    model.named_state(); // gives parameters their names
    let export = Export::new([("x", input(1).meta())]).dynamic_batch();
    let bytes = export.to_bytes(&|x| Ok(vec![model.forward(&x[0])]))?;
    let graph = compile(|[x]: [&Tensor; 1]| model.forward(x)).for_inference();
    row(name, &input, |x| drop(no_grad(|| graph.call([x]))));
    let onnx = Model::from_bytes(bytes)?.compiled_for_inference();
    row(&format!("{name}, ONNX"), &input, |x| drop(no_grad(|| onnx.run(&[("x", x.clone().into())]))));
    Ok(())
}

/// A model from a file.
fn imported(name: &str, model: Model) -> Result<(), Box<dyn Error>> {
    let [port] = model.inputs() else { return Err(format!("{name} has several inputs").into()) };
    let Some(Type::Tensor { element: ElementType::F32, shape: Some(shape) }) = port.r#type.clone() else {
        return Err(format!("{name} does not take floats of a known shape").into());
    };
    let sizes = move |batch: usize| -> Vec<usize> {
        shape.iter().map(|size| if let Dimension::Fixed(n) = size { *n } else { batch }).collect()
    };
    let (port, compiled) = (port.name.clone(), model.compiled_for_inference());
    let input = |batch: usize| Tensor::randn(sizes(batch));
    row(name, input, |x| {
        let y: Vec<Value> = no_grad(|| compiled.run(&[(&port, x.clone().into())])).unwrap_or_else(|e| panic!("{e}"));
        drop(y);
    });
    Ok(())
}

fn row(name: &str, input: impl Fn(usize) -> Tensor, mut call: impl FnMut(&Tensor)) {
    let mut timed = |x: &Tensor| {
        let start = Instant::now();
        call(x);
        start.elapsed()
    };
    let mut times = |batch: usize| {
        let x = input(batch);
        let first = timed(&x);
        let run = (0..CALLS).map(|_| timed(&x)).min().unwrap_or(Duration::ZERO);
        (first, run)
    };
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let (first, run) = times(1);
    let mut beyond: Vec<f64> = SIZES.map(times).map(|(first, run)| ms(first) - ms(run)).collect();
    beyond.sort_by(f64::total_cmp);
    println!("| {name} | {:.1} | {:.1} | {:.2} |", ms(first), beyond[beyond.len() / 2], ms(run));
}
