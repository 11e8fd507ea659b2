//! `Module`: a plain struct whose parameters can be visited under stable dotted names.

use crate::{DType, Param, Role, compile};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// A model or a part of one. Derive it: `#[derive(Module)]` visits the fields in order.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a module",
    note = "derive it with #[derive(Module)], or mark the field as static configuration with #[module(config)]"
)]
pub trait Module {
    /// Shows every parameter, mode and sub-module to the visitor.
    fn visit(&self, visitor: &mut dyn Visitor);
}

/// What walks over a module.
pub trait Visitor {
    /// Enters the field or list element `name`.
    fn enter(&mut self, name: &str);
    /// Leaves it.
    fn leave(&mut self);
    /// A parameter or buffer, under the path entered.
    fn param(&mut self, param: &Param);
    /// A train/eval switch.
    fn mode(&mut self, _mode: &Mode) {}
    /// A layer's tag. It is a field of the layer, so the layer's own name is the path above it.
    fn layer(&mut self, _layer: &crate::Tag) {}
}

/// Visits a field under its name: what `#[derive(Module)]` calls.
pub fn visit_field(name: &str, field: &dyn Module, visitor: &mut dyn Visitor) {
    visitor.enter(name);
    field.visit(visitor);
    visitor.leave();
}

/// Train or evaluation: decides what dropout and batch normalization do. Starts as training.
///
/// A clone is another handle on the same switch.
#[derive(Clone, Debug)]
pub struct Mode(Arc<AtomicBool>);

impl Mode {
    /// Whether training.
    pub fn is_training(&self) -> bool {
        let training = self.0.load(Relaxed);
        if compile::is_tracing() {
            compile::guard_mode(self, training);
        }
        training
    }

    /// A number that is unique to this switch while the program runs.
    pub(crate) fn key(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    /// Switches.
    pub fn set_training(&self, training: bool) {
        self.0.store(training, Relaxed);
    }
}

impl Default for Mode {
    fn default() -> Mode {
        Mode(Arc::new(AtomicBool::new(true)))
    }
}

impl Module for Mode {
    fn visit(&self, visitor: &mut dyn Visitor) {
        visitor.mode(self);
    }
}

impl Module for Param {
    fn visit(&self, visitor: &mut dyn Visitor) {
        visitor.param(self);
    }
}

impl<M: Module + ?Sized> Module for Box<M> {
    fn visit(&self, visitor: &mut dyn Visitor) {
        (**self).visit(visitor);
    }
}

impl<M: Module + ?Sized> Module for std::sync::Arc<M> {
    fn visit(&self, visitor: &mut dyn Visitor) {
        (**self).visit(visitor);
    }
}

impl<M: Module + ?Sized> Module for &M {
    fn visit(&self, visitor: &mut dyn Visitor) {
        (**self).visit(visitor);
    }
}

impl<M: Module> Module for Option<M> {
    fn visit(&self, visitor: &mut dyn Visitor) {
        if let Some(module) = self {
            module.visit(visitor);
        }
    }
}

impl<M: Module> Module for Vec<M> {
    fn visit(&self, visitor: &mut dyn Visitor) {
        for (i, module) in self.iter().enumerate() {
            visit_field(&i.to_string(), module, visitor);
        }
    }
}

impl<M: Module, const N: usize> Module for [M; N] {
    fn visit(&self, visitor: &mut dyn Visitor) {
        for (i, module) in self.iter().enumerate() {
            visit_field(&i.to_string(), module, visitor);
        }
    }
}

/// Plain values are configuration: nothing to visit.
macro_rules! configuration {
    ($($t:ty),*) => { $(
        impl Module for $t {
            fn visit(&self, _: &mut dyn Visitor) {}
        }
    )* };
}
configuration!(bool, u8, i32, i64, u32, u64, usize, isize, f32, f64, String, &'static str, (usize, usize), (f64, f64));

/// Collects `(name, param)` in visiting order, naming each on the way; a place seen twice (tied weights)
/// appears under its first name only.
struct Collector {
    path: Vec<String>,
    seen: HashSet<usize>,
    found: Vec<(String, Param)>,
}

impl Visitor for Collector {
    fn enter(&mut self, name: &str) {
        self.path.push(name.to_owned());
    }

    fn leave(&mut self) {
        self.path.pop();
    }

    fn param(&mut self, param: &Param) {
        if self.seen.insert(param.key()) {
            let name = self.path.join(".");
            param.set_name(&name);
            self.found.push((name, param.clone()));
        }
    }

    fn layer(&mut self, tag: &crate::Tag) {
        let above = self.path.len().saturating_sub(1);
        tag.set_name(&self.path[..above].join("."));
    }
}

struct ModeSetter(bool);

impl Visitor for ModeSetter {
    fn enter(&mut self, _: &str) {}
    fn leave(&mut self) {}
    fn param(&mut self, _: &Param) {}
    fn mode(&mut self, mode: &Mode) {
        mode.set_training(self.0);
    }
}

/// What every module can do.
pub trait ModuleExt: Module {
    /// Parameters and buffers with their dotted names, in the order of the fields. A place that is reached
    /// twice (tied weights) is listed once.
    fn named_state(&self) -> Vec<(String, Param)> {
        let mut collector = Collector { path: Vec::new(), seen: HashSet::new(), found: Vec::new() };
        self.visit(&mut collector);
        collector.found
    }

    /// Parameters with their dotted names.
    fn named_parameters(&self) -> Vec<(String, Param)> {
        let mut state = self.named_state();
        state.retain(|(_, p)| p.role() == Role::Parameter);
        state
    }

    /// The parameters: what an optimizer takes.
    fn parameters(&self) -> Vec<Param> {
        self.named_parameters().into_iter().map(|(_, p)| p).collect()
    }

    /// The number of numbers in the parameters.
    fn parameter_count(&self) -> usize {
        self.parameters().iter().map(|p| p.get().elements()).sum()
    }

    /// Dropout drops, batch normalization uses and updates batch statistics.
    fn train(&self) {
        self.visit(&mut ModeSetter(true));
    }

    /// Dropout passes, batch normalization uses its running statistics.
    fn eval(&self) {
        self.visit(&mut ModeSetter(false));
    }

    /// Makes every parameter a constant.
    fn freeze(&self) {
        self.parameters().iter().for_each(Param::freeze);
    }

    /// Lets every parameter learn again.
    fn unfreeze(&self) {
        self.parameters().iter().for_each(Param::unfreeze);
    }

    /// Converts the floating-point parameters and buffers to another float type.
    fn to_dtype(&self, dtype: DType) {
        for (_, param) in self.named_state() {
            let value = param.get();
            if value.dtype().is_float() {
                param.replace(&crate::no_grad(|| value.to_dtype(dtype)));
            }
        }
    }
}

impl<M: Module + ?Sized> ModuleExt for M {}
