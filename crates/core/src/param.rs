//! `Param`: a named place that holds a tensor. All mutable state lives in this one cell type.

use crate::grad::{LeafId, Origin};
use crate::tensor::{Data, Element, Inner, Meta, Shape, Tensor};
use crate::{Error, Result, compile};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, RwLock};

/// What a place is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Learned: an optimizer updates it by its gradient.
    Parameter,
    /// Saved with the model but not learned: running statistics.
    Buffer,
}

/// A named place that holds a tensor: what a layer owns and an optimizer updates.
///
/// Cloning a `Param` makes a second handle on the same place (tied weights); `get` gives the present value.
#[derive(Clone)]
pub struct Param(Arc<Place>);

struct Place {
    value: RwLock<Tensor>,
    id: LeafId,
    role: Role,
    frozen: AtomicBool,
    name: OnceLock<String>,
}

impl Param {
    /// A learned parameter with this initial value.
    pub fn new(value: Tensor) -> Param {
        Param::with_role(value, Role::Parameter)
    }

    /// State that is saved with the model but has no gradient.
    pub fn buffer(value: Tensor) -> Param {
        Param::with_role(value, Role::Buffer)
    }

    fn with_role(value: Tensor, role: Role) -> Param {
        let id = LeafId::fresh();
        let value = if role == Role::Parameter { value.detach().leaf(id) } else { value.detach() };
        let frozen = AtomicBool::new(false);
        let param = Param(Arc::new(Place { value: RwLock::new(value), id, role, frozen, name: OnceLock::new() }));
        if compile::is_tracing() {
            compile::born(&param);
        }
        param
    }

    /// The present value; for a parameter that is not frozen, a leaf of the graph.
    ///
    /// In a function that is being [compiled](crate::compile()), the value that it has at this point of a run.
    pub fn get(&self) -> Tensor {
        let value = self.0.value.read().unwrap_or_else(|e| e.into_inner());
        if compile::is_tracing() { compile::load(self, &value, false) } else { value.clone() }
    }

    /// As [`Param::get`], of what changes with every run of whatever is compiled: a generator's state.
    pub(crate) fn get_changing(&self) -> Tensor {
        self.with(|value| if compile::is_tracing() { compile::load(self, value, true) } else { value.clone() })
    }

    /// Calls `f` with the value that is there now, whether or not a function is being traced.
    pub(crate) fn with<R>(&self, f: impl FnOnce(&Tensor) -> R) -> R {
        f(&self.0.value.read().unwrap_or_else(|e| e.into_inner()))
    }

    /// Parameter or buffer.
    pub fn role(&self) -> Role {
        self.0.role
    }

    /// Whether an optimizer should update it: a parameter that is not frozen.
    pub fn is_trainable(&self) -> bool {
        self.0.role == Role::Parameter && !self.0.frozen.load(Relaxed)
    }

    /// Makes it a constant: no gradient, no update.
    pub fn freeze(&self) {
        self.set_frozen(true);
    }

    /// Lets it learn again.
    pub fn unfreeze(&self) {
        self.set_frozen(false);
    }

    fn set_frozen(&self, frozen: bool) {
        let mut slot = self.0.value.write().unwrap_or_else(|e| e.into_inner());
        self.0.frozen.store(frozen, Relaxed);
        *slot = self.attach(slot.0.data.clone());
    }

    /// The dotted name within its model (`layer1.0.conv1.weight`), once the model has been visited.
    pub fn name(&self) -> &str {
        self.0.name.get().map_or("(not yet named)", String::as_str)
    }

    /// Whether it has a name.
    pub fn is_named(&self) -> bool {
        self.0.name.get().is_some()
    }

    /// Gives the place its name; the first name stays.
    pub fn set_name(&self, name: &str) {
        self.0.name.get_or_init(|| name.to_owned());
    }

    pub(crate) fn id(&self) -> LeafId {
        self.0.id
    }

    /// Whether both are handles on the same place.
    pub fn is_same(&self, other: &Param) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// A number that is unique to this place while the program runs.
    pub fn key(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    /// Replaces the value. The shape must stay; the type is converted to the present one.
    pub fn set(&self, value: &Tensor) -> Result<()> {
        if compile::is_tracing() {
            let old = self.get();
            self.check_shape(old.shape(), value.shape())?;
            return compile::store(self, &crate::no_grad(|| value.try_to_dtype(old.dtype()))?);
        }
        let mut slot = self.0.value.write().unwrap_or_else(|e| e.into_inner());
        self.check_shape(slot.shape(), value.shape())?;
        let value = crate::no_grad(|| value.to_dtype(slot.dtype()));
        *slot = self.attach(value.0.data.clone());
        Ok(())
    }

    fn check_shape(&self, expected: &Shape, found: &Shape) -> Result<()> {
        if expected == found {
            return Ok(());
        }
        Err(Error::op("parameter", format!("`{}` has shape {expected}, got {found}", self.name())))
    }

    /// Replaces the value, shape and type included: how a lazy layer or `to_dtype` fills the place.
    ///
    /// # Panics
    /// In a function that is being compiled, if `value` belongs to another one.
    #[track_caller]
    pub fn replace(&self, value: &Tensor) {
        if compile::is_tracing() {
            return compile::store(self, value).unwrap_or_else(|error| error.raise());
        }
        let mut slot = self.0.value.write().unwrap_or_else(|e| e.into_inner());
        *slot = self.attach(value.0.data.clone());
    }

    /// Changes the elements in place when nobody else holds the bytes, and in a copy otherwise:
    /// a value that the tape kept never changes. `T` is the tensor's own type.
    ///
    /// # Panics
    /// In a function that is being compiled: see [`effect`](crate::compile::effect).
    #[track_caller]
    pub fn update<T: Element>(&self, f: impl FnOnce(&mut [T])) {
        if compile::is_tracing() {
            compile::no_value("the elements");
        }
        let mut slot = self.0.value.write().unwrap_or_else(|e| e.into_inner());
        assert_eq!(slot.dtype(), T::DTYPE, "parameter `{}` is {}", self.name(), slot.dtype());
        let whole = slot.is_contiguous() && slot.elements() * size_of::<T>() == slot.0.data.buffer.bytes().len();
        if whole
            && let Some(Inner { data, origin, .. }) = Arc::get_mut(&mut slot.0)
            && let Some(buffer) = Arc::get_mut(&mut data.buffer)
        {
            f(buffer.slice_mut());
            // A new leaf: a graph that began at the old one began at the old value.
            if origin.is_some() {
                *origin = Some(Origin::leaf(self.0.id, Meta::new(&data.layout.shape, data.dtype)));
            }
            return;
        }
        let mut copy = slot.to_vec::<T>();
        f(&mut copy);
        *slot = self.attach(Tensor::from_vec(copy, slot.shape()).0.data.clone());
    }

    pub(crate) fn attach(&self, data: Data) -> Tensor {
        let value = Tensor::make(data, None);
        if self.is_trainable() { value.leaf(self.0.id) } else { value }
    }
}

impl fmt::Debug for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.get();
        write!(f, "{} {} {}", self.name(), value.dtype(), value.shape())
    }
}
