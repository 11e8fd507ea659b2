//! The weights in a checkpoint, and the wrappings to take off.

use super::super::{Problem, printable};
use super::tree::Value;
use crate::Tensor;
use std::collections::BTreeMap;

/// Names under which training scripts save the model's weights beside epoch, optimizer and the rest.
const PLACES: [&str; 3] = ["state_dict", "model_state_dict", "model"];

/// Prefixes that wrappers give to every name: `DataParallel`, `torch.compile`, Lightning.
const PREFIXES: [&str; 3] = ["module.", "_orig_mod.", "model."];

/// The tensors of a model by their dotted names.
#[derive(Clone, Debug)]
pub struct StateDict {
    /// The tensors by name, without the prefixes.
    pub tensors: BTreeMap<String, Tensor>,
    /// The key of the file's dictionary that held them; `None` if they were at the top.
    pub found_under: Option<&'static str>,
    /// The prefixes that were taken off every name, outermost first.
    pub stripped: Vec<&'static str>,
    /// Names of entries that are not tensors, which were left out.
    pub skipped: Vec<String>,
}

pub(super) fn find(value: &Value) -> Result<StateDict, Problem> {
    let nested = PLACES.iter().find_map(|place| Some((Some(*place), tensors(value.get(place)?)?)));
    let found = nested.or_else(|| Some((None, tensors(value)?)));
    let (found_under, (mut tensors, skipped)) = found.ok_or_else(|| {
        format!(
            "holds no state dict: {}, and none of `{}` is a dictionary of tensors",
            describe(value),
            PLACES.join("`, `")
        )
    })?;
    let mut stripped = Vec::new();
    while let Some(prefix) = PREFIXES.iter().find(|p| tensors.keys().all(|k| k.len() > p.len() && k.starts_with(**p))) {
        tensors = tensors.into_iter().map(|(name, tensor)| (name[prefix.len()..].to_owned(), tensor)).collect();
        stripped.push(*prefix);
    }
    Ok(StateDict { tensors, found_under, stripped, skipped })
}

/// The tensors of a dictionary by name, and the names of its other entries; `None` if it has no tensor.
fn tensors(value: &Value) -> Option<(BTreeMap<String, Tensor>, Vec<String>)> {
    let Value::Dict(pairs) = value else { return None };
    let (mut tensors, mut skipped) = (BTreeMap::new(), Vec::new());
    for (key, value) in pairs {
        let Value::Text(name) = key else { continue };
        match value {
            Value::Tensor(tensor) => drop(tensors.insert(name.to_string(), tensor.clone())),
            _ => skipped.push(name.to_string()),
        }
    }
    (!tensors.is_empty()).then_some((tensors, skipped))
}

fn describe(value: &Value) -> String {
    let Value::Dict(pairs) = value else { return "its contents are no dictionary".into() };
    let mut keys: Vec<String> = pairs
        .iter()
        .take(10)
        .map(|(key, _)| match key {
            Value::Text(name) => format!("`{}`", printable(name)),
            _ => "(not a name)".into(),
        })
        .collect();
    if pairs.len() > keys.len() {
        keys.push("…".into());
    }
    if keys.is_empty() { "its dictionary is empty".into() } else { format!("its keys are {}", keys.join(", ")) }
}
