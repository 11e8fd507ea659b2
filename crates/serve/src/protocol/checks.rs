//! What a request says of its tensors, held against a model's signature.

use crate::data::Data;
use crate::datatype::Datatype;
use crate::refusal::Refusal;
use crate::servable::{Port, Signature};
use hadal::closest;

/// All inputs, or a word about the first that lacks.
pub fn complete(signature: &Signature, inputs: Vec<Option<Data>>) -> Result<Vec<Data>, Refusal> {
    let inputs: Vec<Data> = inputs
        .into_iter()
        .zip(&signature.inputs)
        .map(|(data, port)| {
            data.ok_or_else(|| Refusal::bad(format!("input {:?} is missing; it is {}", port.name, forms(port))))
        })
        .collect::<Result<_, _>>()?;
    if let (true, Some(first)) = (signature.batched, inputs.first()) {
        let samples = first.shape()[0];
        if let Some(other) = inputs.iter().position(|data| data.shape()[0] != samples) {
            let (a, b) = (&signature.inputs[0].name, &signature.inputs[other].name);
            let found = inputs[other].shape()[0];
            return Err(Refusal::bad(format!("input {a:?} has {samples} samples, but {b:?} has {found}")));
        }
    }
    Ok(inputs)
}

/// The position of an output that is asked for, and how many of its classes as text, if any.
pub fn output(signature: &Signature, name: &str, classes: Option<usize>) -> Result<(usize, Option<usize>), Refusal> {
    let place = find(&signature.outputs, name, "output")?;
    let classes = classes.filter(|&k| k > 0);
    if classes.is_some() && signature.outputs[place].forms[0].shape.len() < 2 {
        return Err(Refusal::bad(format!("output {name:?} has no axis of classes")));
    }
    Ok((place, classes))
}

/// The position of the input or output of this name.
pub fn find(ports: &[Port], name: &str, kind: &str) -> Result<usize, Refusal> {
    ports.iter().position(|port| port.name == name).ok_or_else(|| {
        let known: Vec<&str> = ports.iter().map(|port| port.name.as_str()).collect();
        let meant = closest(name, &known).map_or("; it".into(), |meant| format!("; did you mean {meant:?}? It"));
        let name = name.chars().take(100).collect::<String>();
        Refusal::bad(format!("the model has no {kind} {name:?}{meant} has {}", quoted(&known)))
    })
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
}

fn forms(port: &Port) -> String {
    port.forms.iter().map(|form| form.to_string()).collect::<Vec<_>>().join(", or ")
}

/// The type of an input whose type and shape the model takes.
pub fn check(port: &Port, datatype: &str, shape: &[usize], batched: bool) -> Result<Datatype, Refusal> {
    let Some(datatype) = Datatype::parse(datatype) else {
        let found = datatype.chars().take(100).collect::<String>();
        let message = format!("input {:?}: there is no datatype {found:?}; there are {}", port.name, Datatype::names());
        return Err(Refusal::bad(message));
    };
    if !port.forms.iter().any(|form| form.fits(datatype, shape)) {
        let fix = match port.forms.iter().find(|form| form.fits(datatype, &[&[1], shape].concat())) {
            Some(_) if batched => "; the first axis is that of the samples: put a 1 before the shape",
            _ => "",
        };
        let message = format!("input {:?} is {}, got {datatype} of shape {shape:?}{fix}", port.name, forms(port));
        return Err(Refusal::bad(message));
    }
    if batched && shape.first() == Some(&0) {
        return Err(Refusal::bad(format!("input {:?} has shape {shape:?}: there are no samples in it", port.name)));
    }
    if shape.iter().try_fold(1usize, |n, &size| n.checked_mul(size)).is_none() {
        return Err(Refusal::bad(format!("input {:?}: nothing has shape {shape:?}", port.name)));
    }
    Ok(datatype)
}
