//! From one element type to another.

use super::prelude::*;
use crate::small_float::SmallFloat;

pub(super) const OPERATORS: &[Operator] =
    &[op("BitCast", 26, With(bit_cast)), op("Cast", 6, With(cast)), op("CastLike", 15, With(cast_like))];

/// How numbers that the target cannot hold are treated.
#[derive(Clone, Copy)]
struct Rounding {
    /// What is too large for a float of 8 bits becomes the largest number instead of infinity or NaN.
    saturate: bool,
    /// For powers of two (float8e8m0): to the next larger, smaller or nearest.
    direction: Direction,
}

#[derive(Clone, Copy)]
enum Direction {
    Up,
    Down,
    Nearest,
}

fn rounding(node: &Node) -> Result<Rounding> {
    let direction = match node.choice("round_mode", &["up", "down", "nearest"], "up")? {
        0 => Direction::Up,
        1 => Direction::Down,
        _ => Direction::Nearest,
    };
    Ok(Rounding { saturate: node.int_or("saturate", 1)? != 0, direction })
}

fn cast(node: &Node) -> Result<Run> {
    let target = element_attribute(node, "to")?;
    let target = node.required("to", target)?;
    let rounding = rounding(node)?;
    run(move |x| Ok(vec![convert(x.value(0)?, target, rounding)?]))
}

fn cast_like(node: &Node) -> Result<Run> {
    let rounding = rounding(node)?;
    run(move |x| {
        let target = x.value(1)?.element_type();
        let target = target.ok_or_else(|| Error::invalid("the second input must be a tensor"))?;
        Ok(vec![convert(x.value(0)?, target, rounding)?])
    })
}

/// An element type that an attribute names by its number.
pub(super) fn element_attribute(node: &Node, name: &str) -> Result<Option<ElementType>> {
    let Some(code) = node.int(name)? else { return Ok(None) };
    let element = i32::try_from(code).ok().and_then(ElementType::of_code);
    element.map(Some).ok_or_else(|| node.wrong(name, format!("is {code}, which is no element type")))
}

/// `value` with elements of type `to`.
pub(super) fn to_element(value: &Value, to: ElementType) -> Result<Value> {
    convert(value, to, Rounding { saturate: true, direction: Direction::Up })
}

/// `value` as floats of type `to`; what is too large becomes the largest number, or infinity or NaN.
pub(super) fn rounded(value: &Value, to: ElementType, saturate: bool) -> Result<Value> {
    convert(value, to, Rounding { saturate, direction: Direction::Up })
}

fn convert(value: &Value, to: ElementType, rounding: Rounding) -> Result<Value> {
    let (tensor, from) = match value {
        Value::Strings(strings) if to == ElementType::String => return Ok(strings.clone().into()),
        Value::Strings(strings) => return parse(strings, to),
        Value::Tensor(tensor, from) if from == &to => return Ok(Value::Tensor(tensor.clone(), to)),
        Value::Tensor(tensor, from) => (tensor, *from),
        other => return invalid(format!("a tensor is needed, got {}", other.describe())),
    };
    if to == ElementType::String {
        return write(tensor, from);
    }
    if let Some(format) = to.small_float() {
        let values = wide(tensor, from)?.try_to_dtype(DType::F32)?.try_to_vec::<f32>()?;
        let round = |v: f32| match to {
            ElementType::F8E8M0 => power_of_two(format, v, rounding),
            _ => format.decode(format.encode(v, rounding.saturate)),
        };
        return Ok(Value::Tensor(Tensor::try_from_vec(values.into_iter().map(round).collect(), tensor.shape())?, to));
    }
    if to == ElementType::U64 && from.is_float() {
        let bits = tensor.to_f64_vec().into_iter().map(|v| if v < 0.0 { v as i64 } else { v as u64 as i64 });
        return Ok(Value::Tensor(Tensor::try_from_vec(bits.collect(), tensor.shape())?, to));
    }
    if to.is_float() {
        return Value::typed(&wide(tensor, from)?, to);
    }
    // Through 64 bits, so that what is too large wraps as in NumPy.
    match to.integer() {
        Some(_) if from.is_float() => Value::typed(&tensor.try_to_dtype(DType::I64)?, to),
        _ => Value::typed(tensor, to),
    }
}

/// Numbers that Hadal can convert to any float type: `uint64` as `f64`.
fn wide(tensor: &Tensor, from: ElementType) -> Result<Tensor> {
    if from != ElementType::U64 {
        return Ok(tensor.clone());
    }
    let values = tensor.try_to_vec::<i64>()?.into_iter().map(|v| v as u64 as f64);
    Tensor::try_from_vec(values.collect(), tensor.shape())
}

/// The scale for `v`: a power of two.
fn power_of_two(format: SmallFloat, v: f32, rounding: Rounding) -> f32 {
    let v = v.abs();
    if v.is_nan() || (v.is_infinite() && !rounding.saturate) {
        return f32::NAN;
    }
    let (least, greatest) = (2f64.powi(-127), 2f64.powi(127));
    let exponent = f64::from(v).log2();
    let exponent = match rounding.direction {
        Direction::Up => exponent.ceil(),
        Direction::Down => exponent.floor(),
        // Half way between two powers of two, the larger.
        Direction::Nearest => {
            let floor = exponent.floor();
            if f64::from(v) >= 1.5 * floor.exp2() { floor + 1.0 } else { floor }
        }
    };
    let power = exponent.exp2();
    if power > greatest && !rounding.saturate {
        return f32::NAN;
    }
    format.decode(format.encode(power.clamp(least, greatest) as f32, true))
}

/// Numbers from text.
fn parse(strings: &Strings, to: ElementType) -> Result<Value> {
    let number = |s: &str| -> Result<f64> {
        let problem = || Error::invalid(format!("`{}` is no number", crate::decode::printable(s)));
        s.trim().parse::<f64>().map_err(|_| problem())
    };
    if let Some((_, signed)) = to.integer() {
        let whole = |s: &str| match signed {
            _ if s.trim().parse::<i64>().is_ok() => Ok(s.trim().parse::<i64>().unwrap_or_default()),
            false if s.trim().parse::<u64>().is_ok() => Ok(s.trim().parse::<u64>().unwrap_or_default() as i64),
            _ => number(s).map(|v| v as i64),
        };
        let values = strings.iter().map(whole).collect::<Result<Vec<i64>>>()?;
        return Value::typed(&Tensor::try_from_vec(values, strings.shape())?, to);
    }
    let values = strings.iter().map(number).collect::<Result<Vec<f64>>>()?;
    to_element(&Tensor::try_from_vec(values, strings.shape())?.into(), to)
}

/// Numbers as text: the shortest that gives the same number back.
fn write(tensor: &Tensor, from: ElementType) -> Result<Value> {
    let plain = |text: String| match &text[..] {
        "inf" => "INF".to_owned(),
        "-inf" => "-INF".to_owned(),
        _ => text.strip_suffix(".0").map(str::to_owned).unwrap_or(text),
    };
    let list: Vec<String> = match from {
        ElementType::Bool => tensor.try_to_vec::<bool>()?.iter().map(|v| u8::from(*v).to_string()).collect(),
        ElementType::U64 => tensor.try_to_vec::<i64>()?.iter().map(|v| (*v as u64).to_string()).collect(),
        ElementType::F64 => tensor.try_to_vec::<f64>()?.iter().map(|v| plain(v.to_string())).collect(),
        _ if from.is_float() => {
            tensor.try_to_dtype(DType::F32)?.try_to_vec::<f32>()?.iter().map(|v| plain(v.to_string())).collect()
        }
        _ => integers(tensor)?.iter().map(i64::to_string).collect(),
    };
    Ok(Strings::new(list, tensor.shape())?.into())
}

/// The same bits as another type of the same width.
fn bit_cast(node: &Node) -> Result<Run> {
    let to = node.required("to", element_attribute(node, "to")?)?;
    run(move |x| {
        let (tensor, from) = x.typed(0)?;
        Ok(vec![crate::decode::from_bits(&crate::decode::to_bits(tensor, from)?, tensor.shape().clone(), to)?])
    })
}
