//! The types of `hadal.h`, and what is behind its handles.

use facade::elements;
use facade::onnx::ElementType;
use facade::{Error, Predictor, Result, Tensor};
use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr;

/// `hadal_status`
pub type Status = i32;
pub const OK: Status = 0;
pub const INVALID_ARGUMENT: Status = 1;
pub const CANNOT_LOAD: Status = 2;
pub const CANNOT_RUN: Status = 3;
pub const INTERNAL_ERROR: Status = 4;

/// `hadal_execution`
pub const INFERENCE: i32 = 0;
pub const EXACT: i32 = 1;

/// More axes than this are a mistake, not a tensor.
pub const MOST_AXES: usize = 64;

/// `hadal_dtype`, with ONNX's numbers.
pub const DTYPES: [(i32, ElementType); 13] = [
    (1, ElementType::F32),
    (2, ElementType::U8),
    (3, ElementType::I8),
    (4, ElementType::U16),
    (5, ElementType::I16),
    (6, ElementType::I32),
    (7, ElementType::I64),
    (9, ElementType::Bool),
    (10, ElementType::F16),
    (11, ElementType::F64),
    (12, ElementType::U32),
    (13, ElementType::U64),
    (16, ElementType::BF16),
];

/// The element type that a number stands for.
pub fn element_of(dtype: i32) -> Option<ElementType> {
    DTYPES.iter().find(|entry| entry.0 == dtype).map(|entry| entry.1)
}

/// The number of an element type; of one that only ONNX has, that of the type that holds it.
fn dtype_of(element: ElementType) -> Option<i32> {
    let number = |element| DTYPES.iter().find(|entry| entry.1 == element).map(|entry| entry.0);
    number(element).or_else(|| number(ElementType::of(element.storage()?)))
}

/// `hadal_port`
#[repr(C)]
pub struct CPort {
    pub name: *const c_char,
    pub dtype: i32,
    pub rank: i32,
    pub shape: *const i64,
}

/// `hadal_tensor`
#[repr(C)]
pub struct CTensor {
    pub data: *const c_void,
    pub bytes: usize,
    pub dtype: i32,
    pub rank: i32,
    pub shape: *const i64,
}

/// `hadal_model`
pub struct Model {
    pub predictor: Predictor,
    pub inputs: Vec<Port>,
    pub outputs: Vec<Port>,
    pub labels: Vec<CString>,
}

/// An input or output as C reads it.
pub struct Port {
    name: CString,
    dtype: i32,
    shape: Option<Vec<i64>>,
}

impl Port {
    fn new(port: &facade::Port) -> Result<Port> {
        let dtype = dtype_of(port.element)
            .ok_or_else(|| Error::invalid(format!("`{}` has elements of {}, unknown to C", port.name, port.element)))?;
        let size = |n: &Option<usize>| n.map_or(-1, |n| i64::try_from(n).unwrap_or(i64::MAX));
        let shape = port.shape.as_ref().map(|shape| shape.iter().map(size).collect());
        Ok(Port { name: text(&port.name), dtype, shape })
    }

    pub fn text(&self) -> &str {
        self.name.to_str().unwrap_or_default()
    }

    pub fn c(&self) -> CPort {
        let rank = self.shape.as_ref().map_or(-1, |shape| shape.len() as i32);
        let shape = self.shape.as_ref().map_or(ptr::null(), |shape| shape.as_ptr());
        CPort { name: CStr::as_ptr(&self.name), dtype: self.dtype, rank, shape }
    }
}

/// A text for C, which ends at the first NUL.
fn text(text: &str) -> CString {
    CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default()
}

impl Model {
    pub fn new(predictor: Predictor) -> Result<Model> {
        if let Some(port) = predictor.inputs().iter().find(|port| elements::size_of(port.element).is_none()) {
            let message = format!("input `{}` takes {}, which C programs cannot give", port.name, port.element);
            return Err(Error::invalid(message));
        }
        let ports = |ports: &[facade::Port]| ports.iter().map(Port::new).collect::<Result<Vec<Port>>>();
        let (inputs, outputs) = (ports(predictor.inputs())?, ports(predictor.outputs())?);
        let labels = predictor.labels().iter().map(|label| text(label)).collect();
        Ok(Model { predictor, inputs, outputs, labels })
    }
}

/// `hadal_outputs`
pub struct Outputs(Vec<Output>);

/// A tensor that C reads.
pub struct Output {
    /// Held as numbers of 64 bits, so that the data is aligned for any type.
    words: Vec<u64>,
    bytes: usize,
    dtype: i32,
    shape: Vec<i64>,
}

impl Outputs {
    pub fn new(ports: &[facade::Port], tensors: &[Tensor]) -> Outputs {
        let output = |(port, tensor): (&facade::Port, &Tensor)| {
            let bytes = elements::to_bytes(port.element, tensor);
            let mut words = vec![0u64; bytes.len().div_ceil(8)];
            // Words are filled as they lie in memory.
            for (word, bytes) in words.iter_mut().zip(bytes.chunks(8)) {
                let mut whole = [0; 8];
                whole[..bytes.len()].copy_from_slice(bytes);
                *word = u64::from_ne_bytes(whole);
            }
            // The type that came, should a model not keep to what it declares.
            let kept = port.element.storage() == Some(tensor.dtype());
            let element = if kept { port.element } else { ElementType::of(tensor.dtype()) };
            let dtype = dtype_of(element).unwrap_or_default();
            Output { words, bytes: bytes.len(), dtype, shape: tensor.shape().iter().map(|&n| n as i64).collect() }
        };
        Outputs(ports.iter().zip(tensors).map(output).collect())
    }

    pub fn tensors(&self) -> &[Output] {
        &self.0
    }
}

impl Output {
    pub fn c(&self) -> CTensor {
        let (data, shape) = (self.words.as_ptr().cast(), self.shape.as_ptr());
        CTensor { data, bytes: self.bytes, dtype: self.dtype, rank: self.shape.len() as i32, shape }
    }
}
