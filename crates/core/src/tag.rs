//! `Tag`: what a layer carries besides its parameters: its name within the model, and hooks on its calls.

use crate::{Module, Result, Tensor, Visitor, profile, scope, visit_field};
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};

/// Called after a layer with its tag, input and output; a returned tensor replaces the output.
pub type ForwardHook = Arc<dyn Fn(&Tag, &Tensor, &Tensor) -> Option<Tensor> + Send + Sync>;

/// What the input and the weight of a layer pass through before the layer computes with them: fake quantization, a mask.
///
/// Dense layers and convolutions take it ([`Tag::parametrize`]). Its parameters and buffers are the layer's, under the name
/// `parametrization`; the weight that is saved is the one before.
pub trait Parametrization: Module + Send + Sync {
    /// What the layer takes for its input.
    fn input(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.clone())
    }

    /// What it takes for its weight.
    fn weight(&self, weight: &Tensor) -> Result<Tensor> {
        Ok(weight.clone())
    }
}

/// A layer's identity. Errors raised inside the layer begin with its name.
pub struct Tag {
    kind: &'static str,
    name: OnceLock<String>,
    hooks: Mutex<Vec<(usize, ForwardHook)>>,
    parametrization: Mutex<Option<Arc<dyn Parametrization>>>,
}

impl Tag {
    /// For a layer of this kind (`"Linear"`).
    pub const fn new(kind: &'static str) -> Tag {
        Tag { kind, name: OnceLock::new(), hooks: Mutex::new(Vec::new()), parametrization: Mutex::new(None) }
    }

    /// The kind of layer.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// The dotted name within the model, once the model has been visited; empty for a model that is one layer.
    pub fn name(&self) -> Option<&str> {
        self.name.get().map(String::as_str)
    }

    /// Gives the layer its name; the first one stays.
    pub fn set_name(&self, name: &str) {
        self.name.get_or_init(|| name.to_owned());
    }

    /// Runs the layer's computation under its name and shows the result to the hooks.
    ///
    /// # Panics
    /// At the caller's line, with the error of `forward`.
    #[track_caller]
    pub fn call(&self, input: &Tensor, forward: impl FnOnce() -> Result<Tensor>) -> Tensor {
        let span = profile::open_module(self.name(), self.kind);
        let output = match self.name() {
            Some(name) if !name.is_empty() => scope::within(name, forward),
            _ => forward(),
        };
        drop(span);
        let mut output = match output {
            Ok(output) => output,
            Err(error) => error.raise(),
        };
        let hooks: Vec<_> = self.lock().iter().map(|(_, hook)| hook.clone()).collect();
        for hook in hooks {
            if let Some(replacement) = hook(self, input, &output) {
                output = replacement;
            }
        }
        output
    }

    /// Calls `hook` after every call of the layer, until [`Tag::remove_hook`] with the number returned.
    pub fn register_forward_hook(&self, hook: ForwardHook) -> usize {
        let mut hooks = self.lock();
        let number = hooks.last().map_or(0, |(n, _)| n + 1);
        hooks.push((number, hook));
        number
    }

    /// Removes a hook.
    pub fn remove_hook(&self, number: usize) {
        self.lock().retain(|(n, _)| *n != number);
    }

    /// Lets the layer's input and weight pass through something, instead of what they passed through before.
    pub fn parametrize(&self, by: Option<Arc<dyn Parametrization>>) {
        *self.parametrization.lock().unwrap_or_else(|e| e.into_inner()) = by;
    }

    /// What input and weight pass through.
    pub fn parametrization(&self) -> Option<Arc<dyn Parametrization>> {
        self.parametrization.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }

    /// The input and the weight that the layer computes with.
    pub fn parametrized(&self, x: &Tensor, weight: Tensor) -> Result<(Tensor, Tensor)> {
        match self.parametrization() {
            Some(by) => Ok((by.input(x)?, by.weight(&weight)?)),
            None => Ok((x.clone(), weight)),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(usize, ForwardHook)>> {
        self.hooks.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Module for Tag {
    fn visit(&self, visitor: &mut dyn Visitor) {
        visitor.layer(self);
        if let Some(parametrization) = self.parametrization() {
            // It belongs to the layer, and not to the field that holds the tag.
            visitor.leave();
            visit_field("parametrization", &*parametrization, visitor);
            visitor.enter("tag");
        }
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name().unwrap_or("(not yet named)"))
    }
}
