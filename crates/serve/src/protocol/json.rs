//! Tensors as JSON arrays, nested or flat.
//!
//! The text has passed `serde_json`'s check of the syntax before it comes here; what is left is to read numbers into a
//! vector of their own type, without a tree of values that would take sixteen times the memory of the text. Numbers are
//! parsed and printed by the standard library: exactly rounded, and shortest, so a float keeps its bits.

use crate::data::{Data, Strings};
use crate::datatype::Datatype;
use hadal::half::{bf16, f16};
use hadal::{Element, Tensor};

/// Reads `text`, the JSON of `data`, as a tensor.
///
/// # Errors
/// When it is no array, is nested in another shape, or holds an element of another type or out of range, or another
/// number of them.
pub fn read(text: &str, datatype: Datatype, shape: &[usize]) -> Result<Data, String> {
    let integer = |token: &str| token.parse::<i64>().ok();
    match datatype {
        Datatype::Bool => numbers(text, datatype, shape, |token| match token {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        }),
        Datatype::Uint8 => numbers(text, datatype, shape, |token| token.parse::<u8>().ok()),
        Datatype::Int8 => numbers(text, datatype, shape, |token| token.parse::<i8>().ok()),
        Datatype::Uint16 => numbers(text, datatype, shape, |token| token.parse::<u16>().ok().map(i32::from)),
        Datatype::Int16 => numbers(text, datatype, shape, |token| token.parse::<i16>().ok().map(i32::from)),
        Datatype::Int32 => numbers(text, datatype, shape, |token| token.parse::<i32>().ok()),
        Datatype::Uint32 => numbers(text, datatype, shape, |token| token.parse::<u32>().ok().map(i64::from)),
        Datatype::Uint64 => numbers(text, datatype, shape, |token| integer(token).filter(|&n| n >= 0)),
        Datatype::Int64 => numbers(text, datatype, shape, integer),
        // Twice rounded, which at the width of f32 changes no half: 24 ≥ 2·11 + 2 bits.
        Datatype::Fp16 => numbers(text, datatype, shape, |token| float::<f32>(token, f32::NAN).map(f16::from_f32)),
        Datatype::Bf16 => numbers(text, datatype, shape, |token| float::<f32>(token, f32::NAN).map(bf16::from_f32)),
        Datatype::Fp32 => numbers(text, datatype, shape, |token| float(token, f32::NAN)),
        Datatype::Fp64 => numbers(text, datatype, shape, |token| float(token, f64::NAN)),
        Datatype::Bytes => {
            let mut strings = Strings::default();
            elements(text, shape, |token| {
                if !token.starts_with('"') {
                    return Err(format!(
                        "{} is no string; BYTES in JSON are strings, or send them as binary data",
                        excerpt(token)
                    ));
                }
                let string: String = serde_json::from_str(token).map_err(|e| format!("{}: {e}", excerpt(token)))?;
                strings.push(string.as_bytes());
                Ok(())
            })?;
            Ok(Data::Bytes(strings, shape.to_vec()))
        }
    }
}

/// A float; `null` is how JSON writes one that is not a number.
fn float<T: std::str::FromStr>(token: &str, nan: T) -> Option<T> {
    match token.as_bytes()[0] {
        b'-' | b'0'..=b'9' => token.parse().ok(),
        _ => (token == "null").then_some(nan),
    }
}

fn numbers<T: Element>(
    text: &str,
    datatype: Datatype,
    shape: &[usize],
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Data, String> {
    // An element takes two bytes of text at least: a shape cannot ask for more than its text could hold.
    let mut values = Vec::with_capacity(shape.iter().product::<usize>().min(text.len() / 2 + 1));
    elements(text, shape, |token| {
        values.push(parse(token).ok_or_else(|| format!("{} is no {datatype}", excerpt(token)))?);
        Ok(())
    })?;
    Tensor::try_from_vec(values, shape).map(Data::Numbers).map_err(|e| e.to_string())
}

/// The beginning of a token, for a message.
fn excerpt(token: &str) -> String {
    match token.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &token[..end]),
        None => token.to_owned(),
    }
}

/// Calls `each` with every element's text, in order; checks their number, and the sizes of nested arrays.
fn elements(text: &str, shape: &[usize], mut each: impl FnMut(&str) -> Result<(), String>) -> Result<(), String> {
    let expected: usize = shape.iter().product();
    let bytes = text.as_bytes();
    // How many elements or arrays each open array has so far, and whether it holds arrays.
    let mut open: Vec<usize> = Vec::new();
    let (mut at, mut count, mut deepest) = (0, 0, 0);
    let nested = |depth: usize| depth > 1;
    while at < bytes.len() {
        match bytes[at] {
            b' ' | b'\t' | b'\n' | b'\r' | b',' => at += 1,
            b'[' => {
                if let Some(parent) = open.last_mut() {
                    *parent += 1;
                }
                open.push(0);
                deepest = deepest.max(open.len());
                if nested(deepest) && deepest > shape.len() {
                    return Err(format!(
                        "the arrays are nested {deepest} deep, but the shape {shape:?} has {} axes",
                        shape.len()
                    ));
                }
                at += 1;
            }
            b']' => {
                let depth = open.len();
                let size = open.pop().unwrap_or(0);
                // A flat list may hold all elements; nested lists have the sizes of the shape.
                if nested(deepest) && size != shape[depth - 1] {
                    return Err(format!("an array at depth {depth} has {size} elements, but the shape is {shape:?}"));
                }
                at += 1;
            }
            b'{' => return Err("an object stands where an element is expected".to_owned()),
            first => {
                let end = if first == b'"' { string_end(bytes, at) } else { scalar_end(bytes, at) };
                match open.last_mut() {
                    Some(parent) => *parent += 1,
                    None => return Err(format!("{} is no array", excerpt(&text[at..end]))),
                }
                if nested(deepest) && open.len() != shape.len() {
                    return Err(format!("an element stands at depth {}, but the shape is {shape:?}", open.len()));
                }
                count += 1;
                if count > expected {
                    return Err(format!("there are more than the {expected} elements of shape {shape:?}"));
                }
                each(&text[at..end])?;
                at = end;
            }
        }
    }
    if count != expected {
        return Err(format!("there are {count} elements, but the shape {shape:?} has {expected}"));
    }
    Ok(())
}

/// Where the string that begins at `at` ends.
fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while end < bytes.len() && bytes[end] != b'"' {
        end += if bytes[end] == b'\\' { 2 } else { 1 };
    }
    (end + 1).min(bytes.len())
}

/// Where the number or word that begins at `at` ends.
fn scalar_end(bytes: &[u8], at: usize) -> usize {
    // All that can follow one in JSON: a comma, a bracket, or white space.
    let ends = |&byte: &u8| byte == b',' || byte == b']' || byte <= b' ';
    at + bytes[at..].iter().position(ends).unwrap_or(bytes.len() - at).max(1)
}

/// Appends a tensor as a flat JSON array. A float that is not finite becomes `null`, as JSON has no word for it.
pub fn write(data: &Data, out: &mut Vec<u8>) {
    out.push(b'[');
    match data {
        Data::Numbers(tensor) => hadal::dispatch!(all tensor.dtype(), T => {
            let contiguous;
            let values = match tensor.as_slice::<T>() {
                Some(values) => values,
                None => {
                    contiguous = tensor.to_vec::<T>();
                    &contiguous
                }
            };
            separated(values.iter(), out, |value, out| value.print(out));
        }),
        Data::Bytes(strings, _) => separated(strings.iter(), out, |bytes, out| {
            out.extend(serde_json::Value::from(String::from_utf8_lossy(bytes)).to_string().into_bytes());
        }),
    }
    out.push(b']');
}

fn separated<T>(items: impl Iterator<Item = T>, out: &mut Vec<u8>, write: impl Fn(T, &mut Vec<u8>)) {
    for (i, item) in items.enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write(item, out);
    }
}

/// A number as JSON text.
trait Print {
    fn print(&self, out: &mut Vec<u8>);
}

macro_rules! print {
    ($($t:ty: $self:ident => $value:expr, if $finite:expr;)*) => { $(
        impl Print for $t {
            fn print(&self, out: &mut Vec<u8>) {
                use std::io::Write;
                let $self = *self;
                // Debug, not Display: 1e-30 instead of thirty zeros.
                let written = if $finite { write!(out, "{:?}", $value) } else { write!(out, "null") };
                written.expect("a vector can be written to");
            }
        }
    )* };
}

print! {
    bool: x => x, if true;
    u8: x => x, if true;
    i8: x => x, if true;
    i32: x => x, if true;
    i64: x => x, if true;
    f16: x => x.to_f32(), if x.is_finite();
    bf16: x => x.to_f32(), if x.is_finite();
    f32: x => x, if x.is_finite();
    f64: x => x, if x.is_finite();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers<T: Element>(text: &str, datatype: Datatype, shape: &[usize]) -> Vec<T> {
        match read(text, datatype, shape) {
            Ok(Data::Numbers(tensor)) => {
                assert_eq!(&tensor.shape()[..], shape);
                tensor.to_vec()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn nested_or_flat() {
        let expected = [1.0f32, -2.5, 3e-7, 4.0, 5.0, 6.0];
        assert_eq!(numbers::<f32>("[1, -2.5, 3e-7, 4,5,6]", Datatype::Fp32, &[2, 3]), expected);
        assert_eq!(numbers::<f32>("[[1,-2.5,\n3e-7], [4, 5,6]]", Datatype::Fp32, &[2, 3]), expected);
        assert_eq!(numbers::<f32>("[]", Datatype::Fp32, &[0, 3]), [0.0f32; 0]);
        assert_eq!(numbers::<bool>("[true,false,1,0]", Datatype::Bool, &[4]), [true, false, true, false]);
        assert_eq!(numbers::<i32>("[65535]", Datatype::Uint16, &[1]), [65535]);
        assert_eq!(numbers::<i64>("[[9223372036854775807]]", Datatype::Int64, &[1, 1]), [i64::MAX]);
        assert!(numbers::<f32>("[null]", Datatype::Fp32, &[1])[0].is_nan());
    }

    #[test]
    fn strings_with_escapes() {
        let text = r#"["a\"]b", "\u00e4", ""]"#;
        let Ok(Data::Bytes(strings, shape)) = read(text, Datatype::Bytes, &[3]) else { panic!("strings are read") };
        assert_eq!(shape, [3]);
        assert_eq!(strings.iter().collect::<Vec<_>>(), ["a\"]b".as_bytes(), "ä".as_bytes(), b""]);
    }

    #[test]
    fn mistakes_are_named() {
        let error = |text: &str, datatype, shape: &[usize]| read(text, datatype, shape).unwrap_err();
        let fp32 = |text: &str, shape: &[usize]| error(text, Datatype::Fp32, shape);
        assert_eq!(fp32("[1,2]", &[3]), "there are 2 elements, but the shape [3] has 3");
        assert_eq!(fp32("[1,2,3,4]", &[3]), "there are more than the 3 elements of shape [3]");
        assert_eq!(fp32("[[1,2],[3]]", &[2, 2]), "an array at depth 2 has 1 elements, but the shape is [2, 2]");
        assert_eq!(fp32("[[1,2],3,4]", &[2, 2]), "an element stands at depth 1, but the shape is [2, 2]");
        assert_eq!(fp32("[[[1]]]", &[1, 1]), "the arrays are nested 3 deep, but the shape [1, 1] has 2 axes");
        assert_eq!(fp32("5", &[1]), "5 is no array");
        assert_eq!(fp32("[\"5\"]", &[1]), "\"5\" is no FP32");
        assert_eq!(fp32("[{}]", &[1]), "an object stands where an element is expected");
        assert_eq!(error("[256]", Datatype::Uint8, &[1]), "256 is no UINT8");
        assert_eq!(error("[1.5]", Datatype::Int64, &[1]), "1.5 is no INT64");
        assert_eq!(error("[-1]", Datatype::Uint64, &[1]), "-1 is no UINT64");
        assert!(error("[1]", Datatype::Bytes, &[1]).starts_with("1 is no string"));
        // A shape beyond the text takes no memory.
        assert!(fp32("[1]", &[1 << 40]).contains("there are 1 elements"));
    }

    #[test]
    fn floats_keep_their_bits() {
        let values: Vec<f32> =
            (0..4000u32).map(|i| f32::from_bits(i.wrapping_mul(0x9E37_79B9) & 0xBF7F_FFFF)).collect();
        let mut text = Vec::new();
        write(&Data::Numbers(Tensor::from_slice(&values)), &mut text);
        let back = numbers::<f32>(std::str::from_utf8(&text).unwrap(), Datatype::Fp32, &[4000]);
        assert!(values.iter().zip(&back).all(|(a, b)| a.to_bits() == b.to_bits()));
        let doubles: Vec<f64> =
            values.iter().map(|&x| f64::from(x).sqrt().abs() / 3.0).filter(|x| x.is_finite()).collect();
        text.clear();
        write(&Data::Numbers(Tensor::from_slice(&doubles)), &mut text);
        assert_eq!(numbers::<f64>(std::str::from_utf8(&text).unwrap(), Datatype::Fp64, &[doubles.len()]), doubles);
        text.clear();
        write(&Data::Numbers(Tensor::from([f32::INFINITY, 1e30, 0.5])), &mut text);
        assert_eq!(text, b"[null,1e30,0.5]");
    }
}
