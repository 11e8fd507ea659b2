//! `state_dict`: a model's parameters and buffers by name, out of the model and back into it.

use hadal_core::{Error, Module, ModuleExt, Param, Result, Tensor, Visitor};
use std::collections::BTreeMap;

/// Tensors by their dotted names.
pub type StateDict = BTreeMap<String, Tensor>;

/// What training wrappers put before every name: PyTorch's data parallelism and compiler, Lightning.
const PREFIXES: [&str; 3] = ["module.", "_orig_mod.", "model."];

/// Parameters and buffers under PyTorch's names. The tensors share memory with the model until it changes.
pub fn state_dict(model: &(impl Module + ?Sized)) -> StateDict {
    model.named_state().into_iter().map(|(name, param)| (name, param.get().detach())).collect()
}

/// Whether every name must be on both sides.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Strictness {
    /// A missing or unexpected name is an error.
    #[default]
    Strict,
    /// What fits is loaded; the rest is reported. A wrong shape is still an error.
    Lenient,
}

/// What [`load_state_dict`] did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Loaded {
    /// The number of tensors loaded.
    pub loaded: usize,
    /// Names of the model that the dictionary lacks.
    pub missing: Vec<String>,
    /// Names of the dictionary that the model lacks.
    pub unexpected: Vec<String>,
    /// The prefix that was taken off all names, or empty.
    pub stripped: String,
}

/// Fills the model's parameters and buffers from `state`, converting number types.
///
/// A prefix that all names share (`module.`, `_orig_mod.`, `model.`) is taken off if the model has no such names.
/// Everything that does not fit is listed in one error, and then nothing has been changed.
///
/// ```
/// use hadal_nn::{Strictness, layers::Linear, load_state_dict, state_dict};
/// let (a, b) = (Linear::new(3, 2), Linear::new(3, 2));
/// let report = load_state_dict(&b, &state_dict(&a), Strictness::Strict).unwrap();
/// assert_eq!(report.loaded, 2);
/// ```
pub fn load_state_dict(model: &(impl Module + ?Sized), state: &StateDict, strictness: Strictness) -> Result<Loaded> {
    model.named_state();
    let mut places = Places::default();
    model.visit(&mut places);
    let (stripped, state) = without_prefix(state, &places.by_name);
    let mut report = Loaded { stripped, ..Loaded::default() };
    let mut changes: Vec<(&Param, &Tensor)> = Vec::new();
    let mut misshapen = Vec::new();
    for (name, place) in &places.by_name {
        match state.get(name.as_str()) {
            // A place of several names (tied weights) may be stored under any one of them.
            None => {
                let mut aliases = places.by_name.iter().filter(|(_, other)| other.is_same(place));
                if !aliases.any(|(name, _)| state.contains_key(name.as_str())) {
                    report.missing.push(name.clone());
                }
            }
            Some(tensor) if fits(place, tensor) => changes.push((place, tensor)),
            Some(tensor) => {
                let (expected, found) = (place.get(), tensor.shape());
                misshapen.push(format!("{name}: the model has {}, the file {found}", expected.shape()));
            }
        }
    }
    report.unexpected =
        state.keys().filter(|name| !places.by_name.contains_key(**name)).map(|n| n.to_string()).collect();
    let strict = strictness == Strictness::Strict;
    // As in PyTorch, whose files from before 0.4.1 do not count batches.
    let lacking: Vec<String> =
        report.missing.iter().filter(|name| !name.ends_with("num_batches_tracked")).cloned().collect();
    let refused = strict && !(lacking.is_empty() && report.unexpected.is_empty());
    if refused || !misshapen.is_empty() {
        let mut lines = vec!["the state does not fit the model".to_owned()];
        lines.extend(listed("missing from the file", &lacking, strict));
        lines.extend(listed("not in the model", &report.unexpected, strict));
        lines.extend(listed("of another shape", &misshapen, true));
        return Err(Error::invalid(lines.join("\n  ")));
    }
    for (place, tensor) in changes {
        if is_unset(place) {
            let dtype = place.get().dtype();
            place.replace(&hadal_core::no_grad(|| tensor.to_dtype(dtype)));
        } else {
            place.set(tensor)?;
        }
        report.loaded += 1;
    }
    Ok(report)
}

/// Names quoted in an error message per kind of mistake.
const MOST_LISTED: usize = 20;

fn listed(what: &str, names: &[String], wanted: bool) -> Option<String> {
    if names.is_empty() || !wanted {
        return None;
    }
    let shown = names.iter().take(MOST_LISTED).map(|name| format!("\n    {name}")).collect::<String>();
    let rest = names.len().saturating_sub(MOST_LISTED);
    let rest = if rest > 0 { format!("\n    … and {rest} more") } else { String::new() };
    Some(format!("{} {what}:{shown}{rest}", names.len()))
}

fn fits(place: &Param, tensor: &Tensor) -> bool {
    place.get().shape() == tensor.shape() || is_unset(place)
}

/// Whether this is a parameter of a lazy layer that has not seen its input yet.
pub(crate) fn is_unset(place: &Param) -> bool {
    *place.get().shape() == UNSET
}

/// The shape of a parameter whose real shape is not known yet.
pub(crate) const UNSET: [usize; 1] = [0];

/// The tensors without the prefix that all names share and the model does not know.
fn without_prefix<'a>(
    state: &'a StateDict,
    places: &BTreeMap<String, Param>,
) -> (String, BTreeMap<&'a str, &'a Tensor>) {
    let mut stripped = String::new();
    let mut state: BTreeMap<&str, &Tensor> = state.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    while let Some(prefix) = PREFIXES.into_iter().find(|prefix| {
        let shared = !state.is_empty() && state.keys().all(|name| name.starts_with(prefix));
        shared && !places.keys().any(|name| name.starts_with(prefix))
    }) {
        stripped += prefix;
        state = state.into_iter().map(|(name, tensor)| (&name[prefix.len()..], tensor)).collect();
    }
    (stripped, state)
}

/// Every name of every place, also second names of tied weights.
#[derive(Default)]
struct Places {
    path: Vec<String>,
    by_name: BTreeMap<String, Param>,
}

impl Visitor for Places {
    fn enter(&mut self, name: &str) {
        self.path.push(name.to_owned());
    }

    fn leave(&mut self) {
        self.path.pop();
    }

    fn param(&mut self, param: &Param) {
        self.by_name.insert(self.path.join("."), param.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Layer;
    use crate::layers::Linear;
    use crate::optim::{Adam, Rule};

    #[derive(Module)]
    struct Tied {
        encoder: Linear,
        decoder: Linear,
    }

    fn tied() -> Tied {
        let encoder = Linear::new(3, 3);
        let decoder = Linear::from_params(encoder.weight.clone(), None);
        Tied { encoder, decoder }
    }

    #[test]
    fn everything_wrong_is_listed_at_once() {
        let model = seq2();
        let mut state = state_dict(&model);
        state.remove("0.bias");
        state.insert("0.weight".into(), Tensor::zeros([2, 4]));
        state.insert("head.weight".into(), Tensor::zeros([1]));
        let error = load_state_dict(&model, &state, Strictness::Strict).unwrap_err().to_string();
        assert_eq!(
            error,
            "the state does not fit the model\n  \
             1 missing from the file:\n    0.bias\n  \
             1 not in the model:\n    head.weight\n  \
             1 of another shape:\n    0.weight: the model has [2, 3], the file [2, 4]"
        );
    }

    fn seq2() -> crate::Sequential {
        crate::seq![Linear::new(3, 2), Linear::new(2, 1)]
    }

    #[test]
    fn lenient_loading_reports_what_is_missing() {
        let model = seq2();
        let mut state = state_dict(&model);
        state.remove("1.bias");
        state.insert("extra".into(), Tensor::zeros([1]));
        let report = load_state_dict(&model, &state, Strictness::Lenient).unwrap();
        assert_eq!(
            (report.loaded, report.missing, report.unexpected),
            (3, vec!["1.bias".into()], vec!["extra".into()])
        );
    }

    #[test]
    fn prefixes_of_wrappers_are_stripped() {
        let (a, b) = (seq2(), seq2());
        let wrapped = state_dict(&a).into_iter().map(|(k, v)| (format!("module._orig_mod.{k}"), v)).collect();
        let report = load_state_dict(&b, &wrapped, Strictness::Strict).unwrap();
        assert_eq!(report.stripped, "module._orig_mod.");
        let x = Tensor::from([[1.0f32, -2.0, 0.5]]);
        assert_eq!(a.forward(&x).to_bytes(), b.forward(&x).to_bytes());
    }

    #[test]
    fn tied_weights_load_from_either_or_both_names() {
        let weight = || Tensor::full([3, 3], 2f32);
        for names in [vec!["encoder.weight"], vec!["decoder.weight"], vec!["encoder.weight", "decoder.weight"]] {
            let model = tied();
            let mut state: StateDict = names.iter().map(|name| (name.to_string(), weight())).collect();
            state.insert("encoder.bias".into(), Tensor::zeros([3]));
            load_state_dict(&model, &state, Strictness::Strict).unwrap();
            assert_eq!(model.decoder.weight.get().to_vec::<f32>(), [2.0; 9], "{names:?}");
        }
        assert_eq!(state_dict(&tied()).into_keys().collect::<Vec<_>>(), ["encoder.bias", "encoder.weight"]);
    }

    #[test]
    fn lazy_layers_take_the_size_of_what_is_loaded() {
        let model = Linear::lazy(2);
        load_state_dict(&model, &state_dict(&Linear::new(5, 2)), Strictness::Strict).unwrap();
        assert_eq!(*model.forward(&Tensor::zeros([1, 5])).shape(), [1, 2]);
    }

    /// Five steps, saved and restored after the second, end where five steps in one go end, to the last bit.
    #[test]
    fn an_optimizer_resumes_exactly() {
        let x = Tensor::from([[0.5f32, -1.0, 2.0], [1.5, 0.25, -0.75]]);
        let start = state_dict(&seq2());
        let fresh = || {
            let model = seq2();
            load_state_dict(&model, &start, Strictness::Strict).unwrap();
            let optimizer = Adam::new(0.1).amsgrad().optimize(model.parameters());
            (model, optimizer)
        };
        let step = |model: &crate::Sequential, optimizer: &crate::optim::Optimizer| {
            let y = model.forward(&x);
            optimizer.step(&(&y * &y).sum(..).backward()).unwrap();
        };
        let (through, optimizer) = fresh();
        (0..5).for_each(|_| step(&through, &optimizer));
        let (model, optimizer) = fresh();
        (0..2).for_each(|_| step(&model, &optimizer));
        let saved = (state_dict(&model), state_dict(&optimizer));
        assert!(saved.1.contains_key("0.weight.max_exp_avg_sq"));
        let (resumed, optimizer) = fresh();
        load_state_dict(&resumed, &saved.0, Strictness::Strict).unwrap();
        load_state_dict(&optimizer, &saved.1, Strictness::Strict).unwrap();
        (0..3).for_each(|_| step(&resumed, &optimizer));
        for (name, value) in state_dict(&through) {
            assert_eq!(value.to_bytes(), state_dict(&resumed)[&name].to_bytes(), "{name}");
        }
    }
}
