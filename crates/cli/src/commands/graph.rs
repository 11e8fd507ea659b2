//! `hadal graph`: what a model computes, as a picture or as text.

use crate::args::Graph as Options;
use crate::console::say;
use hadal::Trained;
use hadal::compile::Graph;
use hadal::format::atomic;
use hadal::models::{self, Spec};
use hadal::nn::Layer;
use hadal::onnx::{Dimension, ElementType, Model, Port, Type, Value};
use hadal::{Error, Meta, ModuleExt, Result, Tensor, attempt};
use std::path::Path;

/// Draws or prints the graph of a model by name or in a file.
pub fn run(options: Options) -> Result<()> {
    let Some(path) = &options.output else {
        say!("{}", graph(&options)?);
        return Ok(());
    };
    let draw: fn(&Graph) -> String = match path.extension().and_then(|e| e.to_str()) {
        Some("svg") => Graph::to_svg,
        Some("dot" | "gv") => Graph::to_dot,
        _ => return Err(Error::file(path, "names no kind of picture: use .svg, or .dot for Graphviz")),
    };
    let graph = graph(&options)?;
    atomic::write(path, |file| file.write_all(draw(&graph).as_bytes()))?;
    say!("{} steps drawn to {}", graph.len(), path.display());
    Ok(())
}

fn graph(options: &Options) -> Result<Graph> {
    let path = Path::new(&options.model);
    if path.extension().is_some_and(|e| e == "onnx") {
        return imported(&Model::load(path)?, options.batch);
    }
    if path.exists() {
        let trained = Trained::read(path)?;
        return of_layer(&*trained.model, &trained.preprocessing.shape(), options.batch);
    }
    let spec = Spec { input: options.input.clone(), outputs: options.classes };
    of_layer(&*models::build(&options.model, &spec)?, &spec.input, options.batch)
}

fn of_layer(model: &dyn Layer, sample: &[usize], batch: usize) -> Result<Graph> {
    model.eval();
    // Visiting gives parameters and layers their names, here as below.
    model.named_state();
    let shape: Vec<usize> = [batch].iter().chain(sample).copied().collect();
    Graph::of(&[Meta::new(shape, model.input_dtype())], &|x| attempt(|| vec![model.forward(&x[0])]))
}

/// Of a model that was loaded; sizes that it leaves open are those of the batch.
fn imported(model: &Model, batch: usize) -> Result<Graph> {
    model.named_state();
    let arguments = model.inputs().iter().map(|port| argument(port, batch)).collect::<Result<Vec<_>>>()?;
    let metas: Vec<Meta> = arguments.iter().map(|(meta, _)| meta.clone()).collect();
    Graph::of(&metas, &|x| {
        let value = |(tensor, (_, element)): (&Tensor, &(Meta, ElementType))| Value::typed(tensor, *element);
        let values = x.iter().zip(&arguments).map(value).collect::<Result<Vec<_>>>()?;
        let inputs: Vec<(&str, Value)> = model.inputs().iter().map(|port| port.name.as_str()).zip(values).collect();
        let outputs = model.run(&inputs)?;
        let tensor = |value: Value| value.tensor().cloned();
        let all: Option<Vec<Tensor>> = outputs.into_iter().map(tensor).collect();
        all.ok_or_else(|| {
            Error::invalid("the model returns other values than tensors of numbers, which cannot be drawn")
        })
    })
}

fn argument(port: &Port, batch: usize) -> Result<(Meta, ElementType)> {
    let fail =
        |what: &str| Err(Error::invalid(format!("the model's input `{}` {what}, so it cannot be drawn", port.name)));
    let Some(Type::Tensor { element, shape: Some(shape) }) = &port.r#type else {
        return fail("has no declared shape");
    };
    let Some(dtype) = element.storage() else { return fail("is no tensor of numbers") };
    let size = |dimension: &Dimension| if let Dimension::Fixed(n) = dimension { *n } else { batch };
    Ok((Meta::new(shape.iter().map(size).collect::<Vec<_>>(), dtype), *element))
}
