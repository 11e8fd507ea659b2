//! The tensor: an immutable, reference-counted, n-dimensional array that may remember how it was computed.

mod buffer;
mod create;
mod dtype;
mod indexing;
mod layout;
mod operators;
mod print;
mod read;
mod shape;

pub(crate) use buffer::{ALIGNMENT, TracedId};
pub use buffer::{Buffer, Device};
pub use create::Scalar;
pub use dtype::{Bits, Category, DType, Element};
pub use indexing::{By, Ellipsis, Index, NewAxis};
pub use layout::{Layout, Strides};
pub use operators::Operand;
pub use shape::{Axes, Shape};

use crate::grad::Origin;
use std::sync::Arc;

/// An n-dimensional array.
///
/// Rank, element type and device are run-time properties. A tensor is a value: operations return new
/// tensors, views share memory, and cloning costs one reference count.
///
/// ```
/// use hadal_core::Tensor;
/// let x = Tensor::from([[1.0f32, 2.0], [3.0, 4.0]]);
/// let y = (&x * 2.0).sum(0);
/// assert_eq!(y.to_vec::<f32>(), [8.0, 12.0]);
/// ```
#[derive(Clone)]
pub struct Tensor(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) data: Data,
    pub(crate) origin: Option<Origin>,
    /// Logits and axis, if this is a softmax.
    softmax_of: Option<(Tensor, usize)>,
}

/// A tensor's value without its history: what the tape keeps.
#[derive(Clone)]
pub(crate) struct Data {
    pub(crate) layout: Layout,
    pub(crate) dtype: DType,
    pub(crate) buffer: Arc<Buffer>,
}

/// What is known of a tensor before it is computed: all that an op's shape rule may look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// The sizes of the axes.
    pub shape: Shape,
    /// The type of the elements.
    pub dtype: DType,
    /// Where the bytes are.
    pub device: Device,
}

impl Meta {
    /// A tensor of this shape and type in main memory.
    pub fn new(shape: impl Into<Shape>, dtype: DType) -> Meta {
        Meta { shape: shape.into(), dtype, device: Device::Cpu }
    }

    /// The same with another shape.
    pub fn with_shape(&self, shape: impl Into<Shape>) -> Meta {
        Meta { shape: shape.into(), dtype: self.dtype, device: self.device }
    }

    /// The same with another type.
    pub fn with_dtype(&self, dtype: DType) -> Meta {
        Meta { shape: self.shape.clone(), dtype, device: self.device }
    }

    /// The number of bytes of the elements.
    pub fn bytes(&self) -> usize {
        self.shape.elements() * self.dtype.size()
    }
}

impl Tensor {
    pub(crate) fn make(data: Data, origin: Option<Origin>) -> Tensor {
        Tensor(Arc::new(Inner { data, origin, softmax_of: None }))
    }

    /// The same tensor, remembering that it is the softmax of `logits` over `axis`.
    pub(crate) fn as_softmax_of(&self, logits: &Tensor, axis: usize) -> Tensor {
        // What the logits themselves were made of is left out, so that no chain of tensors can grow.
        let Inner { data, origin, .. } = &*logits.0;
        let softmax_of = Some((Tensor::make(data.clone(), origin.clone()), axis));
        let Inner { data, origin, .. } = &*self.0;
        Tensor(Arc::new(Inner { data: data.clone(), origin: origin.clone(), softmax_of }))
    }

    /// The logits and the axis, if this tensor is what [`Tensor::softmax`] returned: a loss that wants logits can then
    /// take them instead of the probabilities.
    pub fn softmax_of(&self) -> Option<(&Tensor, usize)> {
        self.0.softmax_of.as_ref().map(|(logits, axis)| (logits, *axis))
    }

    /// A tensor over `buffer`, whose elements have the type `dtype`.
    pub(crate) fn of_buffer(buffer: Buffer, layout: Layout, dtype: DType) -> Tensor {
        Tensor::make(Data { layout, dtype, buffer: Arc::new(buffer) }, None)
    }

    /// Whether this is a value of a function that is being [compiled](crate::compile()), which has no elements yet.
    pub fn is_traced(&self) -> bool {
        self.0.data.buffer.traced_id().is_some()
    }

    /// The sizes of the axes; `[]` for a scalar.
    pub fn shape(&self) -> &Shape {
        &self.0.data.layout.shape
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.shape().rank()
    }

    /// The size of one axis, counted from the end when negative.
    #[track_caller]
    pub fn size(&self, axis: isize) -> usize {
        match self.shape().axis(axis, "size") {
            Ok(axis) => self.shape()[axis],
            Err(error) => error.raise(),
        }
    }

    /// The number of elements.
    pub fn elements(&self) -> usize {
        self.shape().elements()
    }

    /// The type of the elements.
    pub fn dtype(&self) -> DType {
        self.0.data.dtype
    }

    /// The device that holds the elements.
    pub fn device(&self) -> Device {
        self.0.data.buffer.device()
    }

    /// Strides in elements, which may be 0 (broadcast) or negative (flipped).
    pub fn strides(&self) -> &[isize] {
        &self.0.data.layout.strides
    }

    /// Whether the elements lie row-major without gaps.
    pub fn is_contiguous(&self) -> bool {
        self.0.data.layout.is_contiguous()
    }

    /// Shape, type and device together.
    pub fn meta(&self) -> Meta {
        Meta { shape: self.shape().clone(), dtype: self.dtype(), device: self.device() }
    }

    /// Whether the two share memory.
    pub fn shares_memory(&self, other: &Tensor) -> bool {
        Arc::ptr_eq(&self.0.data.buffer, &other.0.data.buffer)
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.0.data.layout
    }
}
