//! The whitelist: every Python name that a pickle may mention, and what it means here.

use super::super::elements::Stored;
use super::super::{Problem, printable};
use crate::DType;

/// A Python function or class that is needed to hold tensors.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Global {
    /// `collections.OrderedDict`, `collections.Counter`: dictionaries.
    Dict,
    /// `set`, `frozenset`: read as lists.
    Set,
    /// `torch.Size`: a tuple.
    Size,
    /// `torch.device`: its name.
    Device,
    /// `torch._utils._rebuild_tensor` and `_v2`: (storage, offset, size, stride, …).
    RebuildTensor,
    /// `torch._utils._rebuild_tensor_v3`: the same with the type at position 6, over an untyped storage.
    RebuildTyped,
    /// `torch._utils._rebuild_parameter`: the tensor is the first argument.
    RebuildParameter,
    /// `torch._tensor._rebuild_from_type_v2`: (function, class, arguments, attributes).
    RebuildFromType,
    /// `torch.Tensor`, `torch.nn.parameter.Parameter`: only named, never called.
    TensorClass,
    /// `torch.FloatStorage` …; `None` is `torch.storage.UntypedStorage`.
    Storage(Option<Stored>),
    /// `torch.float32` …
    Type(Stored),
    /// `numpy.dtype`.
    NumpyType,
    /// `numpy.core.multiarray.scalar`.
    NumpyScalar,
    /// `_codecs.encode`: how Python 3 writes bytes in protocol 2.
    Encode,
}

impl Global {
    /// What `module.name` stands for, or why it is refused.
    pub fn find(module: &str, name: &str) -> Result<Global, Problem> {
        let found = match (module, name) {
            ("collections", "OrderedDict" | "Counter") => Global::Dict,
            ("builtins" | "__builtin__", "set" | "frozenset") => Global::Set,
            ("torch", "Size") => Global::Size,
            ("torch", "device") => Global::Device,
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Global::RebuildTensor,
            ("torch._utils", "_rebuild_tensor_v3") => Global::RebuildTyped,
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Global::RebuildParameter,
            ("torch._tensor", "_rebuild_from_type_v2") => Global::RebuildFromType,
            ("torch", "Tensor") | ("torch.nn.parameter", "Parameter") => Global::TensorClass,
            ("torch.storage", "UntypedStorage") => Global::Storage(None),
            ("_codecs", "encode") => Global::Encode,
            ("numpy", "dtype") => Global::NumpyType,
            ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => Global::NumpyScalar,
            // Before PyTorch 0.4 the classes of GPU storages were named in the file.
            ("torch" | "torch.cuda", name) if name.ends_with("Storage") => Global::Storage(Some(storage(name)?)),
            ("torch", name) => match element_type(name)? {
                Some(stored) => Global::Type(stored),
                None => return Err(refusal(module, name)),
            },
            _ => return Err(refusal(module, name)),
        };
        Ok(found)
    }
}

/// Why a name outside the list ends the reading.
fn refusal(module: &str, name: &str) -> Problem {
    let full = printable(&format!("{module}.{name}"));
    // A pickled module names its class; that is by far the most common honest case.
    let fix =
        if module.starts_with("torch.nn.modules") || module.starts_with("torchvision.models") || module == "__main__" {
            "it holds a whole model object; save `model.state_dict()` instead"
        } else {
            "Python would run that when it unpickles the file, so do not load it there unless you trust it"
        };
    format!(
        "wants to call {full}; only what rebuilds tensors, numbers, text, lists and dictionaries is allowed, and \
         nothing was run ({fix})"
    )
}

fn storage(class: &str) -> Result<Stored, Problem> {
    Ok(match class {
        "FloatStorage" => Stored::As(DType::F32),
        "DoubleStorage" => Stored::As(DType::F64),
        "HalfStorage" => Stored::As(DType::F16),
        "BFloat16Storage" => Stored::As(DType::BF16),
        "LongStorage" => Stored::As(DType::I64),
        "IntStorage" => Stored::As(DType::I32),
        "CharStorage" => Stored::As(DType::I8),
        "ByteStorage" => Stored::As(DType::U8),
        "BoolStorage" => Stored::As(DType::Bool),
        "ShortStorage" => Stored::I16,
        other => return Err(unsupported(&format!("torch.{}", printable(other)))),
    })
}

/// The type that `torch.NAME` is; `None` if it is no type at all.
fn element_type(name: &str) -> Result<Option<Stored>, Problem> {
    Ok(Some(match name {
        "float32" => Stored::As(DType::F32),
        "float64" => Stored::As(DType::F64),
        "float16" => Stored::As(DType::F16),
        "bfloat16" => Stored::As(DType::BF16),
        "int64" => Stored::As(DType::I64),
        "int32" => Stored::As(DType::I32),
        "int8" => Stored::As(DType::I8),
        "uint8" => Stored::As(DType::U8),
        "bool" => Stored::As(DType::Bool),
        "int16" => Stored::I16,
        "uint16" => Stored::U16,
        "uint32" => Stored::U32,
        name if ["float8_", "float4_", "complex", "uint64", "quint", "qint", "bits"]
            .iter()
            .any(|p| name.starts_with(p)) =>
        {
            return Err(unsupported(&format!("torch.{}", printable(name))));
        }
        _ => return Ok(None),
    }))
}

fn unsupported(name: &str) -> Problem {
    format!(
        "holds a tensor of type {name}, which Hadal does not have: convert it, for example with .float(), before saving"
    )
}
