//! The declared types of a model's inputs and outputs.

use crate::{ElementType, Value, wire};
use hadal_core::{Error, Result};
use std::collections::HashMap;
use std::fmt;

/// What is known of one axis' size.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Dimension {
    /// This size.
    Fixed(usize),
    /// Any size, the same wherever the name stands.
    Named(String),
    /// Any size.
    Unknown,
}

/// The type of a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Type {
    /// A tensor of numbers or strings.
    Tensor {
        /// The type of the elements.
        element: ElementType,
        /// The axes; `None` if not even their number is known.
        shape: Option<Vec<Dimension>>,
    },
    /// A list.
    Sequence(Box<Type>),
    /// A value or none.
    Optional(Box<Type>),
    /// Values under keys.
    Map {
        /// The type of the keys: whole numbers or strings.
        key: ElementType,
        /// The type of the values.
        value: Box<Type>,
    },
}

/// A named input or output of a model.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Port {
    /// The name in the model.
    pub name: String,
    /// The declared type; `None` if the model declares none.
    pub r#type: Option<Type>,
}

impl Type {
    /// The type that a message declares.
    pub(crate) fn of(message: &wire::Type) -> Result<Type> {
        use wire::TypeKind;
        let inner = |element: &Option<Box<wire::Type>>| match element {
            Some(element) => Type::of(element).map(Box::new),
            None => Err(Error::invalid("a sequence or optional type without an element type")),
        };
        match &message.kind {
            Some(TypeKind::Tensor(tensor)) => {
                let element = ElementType::of_code(tensor.element)
                    .ok_or_else(|| Error::invalid(format!("the unknown element type {}", tensor.element)))?;
                let shape = tensor.shape.as_ref().map(|s| s.dimensions.iter().map(Dimension::of).collect());
                Ok(Type::Tensor { element, shape })
            }
            Some(TypeKind::Sequence(list)) => Ok(Type::Sequence(inner(&list.element)?)),
            Some(TypeKind::Optional(optional)) => Ok(Type::Optional(inner(&optional.element)?)),
            Some(TypeKind::Map(map)) => {
                let key = ElementType::of_code(map.key);
                let key = key.ok_or_else(|| Error::invalid(format!("the unknown key type {}", map.key)))?;
                Ok(Type::Map { key, value: inner(&map.value)? })
            }
            Some(TypeKind::Sparse(_)) => Err(Error::invalid("sparse tensors are not supported as inputs or outputs")),
            None => Err(Error::invalid("a type of an unknown kind")),
        }
    }

    /// Says why `value` is not of this type, if it is not. `sizes` are those that names stand for so far.
    pub(crate) fn refuses(&self, value: &Value, sizes: &mut HashMap<String, usize>) -> Option<String> {
        match (self, value) {
            (Type::Optional(_), Value::Optional(None)) => None,
            (Type::Optional(inner), Value::Optional(Some(value))) => inner.refuses(value, sizes),
            (Type::Optional(inner), value) => inner.refuses(value, sizes),
            // The elements of a sequence may differ in shape, whatever names say.
            (Type::Sequence(inner), Value::Sequence(values)) => {
                values.iter().find_map(|value| inner.refuses(value, &mut HashMap::new()))
            }
            (Type::Map { key, .. }, Value::Map(map)) if map.keys.element_type() == Some(*key) => None,
            (Type::Tensor { element, shape }, Value::Tensor(..) | Value::Strings(_)) => {
                let fits = value.element_type() == Some(*element)
                    && match (shape, value.shape()) {
                        (Some(expected), Some(got)) => {
                            expected.len() == got.rank()
                                && expected.iter().zip(got.iter()).all(|(e, &n)| e.admits(n, sizes))
                        }
                        _ => true,
                    };
                (!fits).then(|| format!("expects {self}, got {}", value.describe()))
            }
            (_, value) => Some(format!("expects {self}, got {}", value.describe())),
        }
    }
}

impl Dimension {
    fn of(message: &wire::Dimension) -> Dimension {
        use wire::dimension::Size;
        match &message.size {
            // Some exporters write −1 or 0 for what they do not know.
            Some(Size::Number(n)) if *n > 0 => Dimension::Fixed(*n as usize),
            Some(Size::Number(0)) => Dimension::Fixed(0),
            Some(Size::Name(name)) if !name.is_empty() => Dimension::Named(name.clone()),
            _ => Dimension::Unknown,
        }
    }

    fn admits(&self, size: usize, sizes: &mut HashMap<String, usize>) -> bool {
        match self {
            Dimension::Fixed(n) => *n == size,
            Dimension::Named(name) => *sizes.entry(name.clone()).or_insert(size) == size,
            Dimension::Unknown => true,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Tensor { element, shape: None } => write!(f, "tensor({element})"),
            Type::Tensor { element, shape: Some(shape) } => {
                let sizes: Vec<_> = shape.iter().map(Dimension::to_string).collect();
                write!(f, "tensor({element}) [{}]", sizes.join(", "))
            }
            Type::Sequence(inner) => write!(f, "sequence of {inner}"),
            Type::Optional(inner) => write!(f, "optional {inner}"),
            Type::Map { key, value } => write!(f, "map from {key} to {value}"),
        }
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dimension::Fixed(n) => write!(f, "{n}"),
            Dimension::Named(name) => f.write_str(name),
            Dimension::Unknown => f.write_str("?"),
        }
    }
}
