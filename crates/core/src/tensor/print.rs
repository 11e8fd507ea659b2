//! Printing tensors as NumPy does: `arrayprint.py` of NumPy 2 with its default options.

use super::{Category, DType, Element, Tensor};
use half::{bf16, f16};
use std::fmt;

/// Axes of tensors with more than `FULL` elements show this many at each end.
const EDGE: usize = 3;
const FULL: usize = 1000;
/// The columns of a line.
const WIDTH: usize = 75;
/// The most digits after the point; `{:.4}` shows four.
const PRECISION: usize = 8;

impl fmt::Display for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_traced() {
            return f.write_str("(not computed yet)");
        }
        if self.elements() == 0 {
            // However many rows of nothing there are.
            return f.write_str("[]");
        }
        let edge = if self.elements() > FULL { EDGE } else { usize::MAX };
        let mut shown = Shown { floats: Vec::new(), words: Vec::new() };
        self.visit(0, self.layout().offset as isize, edge, &mut shown);
        if self.rank() == 0 {
            let number = shown.floats.first().map(|&v| scalar(v, self.dtype(), f.precision()));
            return f.write_str(number.as_ref().unwrap_or_else(|| &shown.words[0]));
        }
        let words = match self.dtype().category() {
            Category::Float => column(&shown.floats, self.dtype(), f.precision().unwrap_or(PRECISION)),
            Category::Bool => padded(shown.words, "false".len()),
            Category::Integer => padded(shown.words, 0),
        };
        f.write_str(&self.block(0, edge, WIDTH, &mut words.iter()))
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        write!(f, "\n{} {}", self.dtype(), self.shape())
    }
}

/// The elements that are shown, in row-major order: floats as numbers, others as text.
struct Shown {
    floats: Vec<f64>,
    words: Vec<String>,
}

impl Tensor {
    fn visit(&self, axis: usize, at: isize, edge: usize, shown: &mut Shown) {
        if axis == self.rank() {
            return crate::dispatch!(all self.dtype(), T => {
                let value = self.0.data.buffer.slice::<T>()[at as usize];
                match self.dtype().category() {
                    Category::Bool => shown.words.push((value.to_i64() != 0).to_string()),
                    Category::Integer => shown.words.push(value.to_i64().to_string()),
                    Category::Float => shown.floats.push(value.to_f64()),
                }
            });
        }
        for i in ends(self.shape()[axis], edge) {
            self.visit(axis + 1, at + i as isize * self.strides()[axis], edge, shown);
        }
    }

    /// The text from `axis` on, for lines that may be `width` long; they begin below the first bracket's inside.
    fn block<'a>(
        &self,
        axis: usize,
        edge: usize,
        width: usize,
        words: &mut impl Iterator<Item = &'a String>,
    ) -> String {
        let (size, below) = (self.shape()[axis], self.rank() - axis - 1);
        let indent = " ".repeat(axis + 1);
        let (mut text, mut line) = (String::from("["), indent.clone());
        let mut add = |word: &str| {
            if below > 0 {
                // Rows of rows are parted by as many line ends as there are axes below.
                let gap = if text.len() > 1 { format!("{}{indent}", "\n".repeat(below)) } else { String::new() };
                text += &(gap + word);
                return;
            }
            if line.len() + word.len() > width - 1 && line.len() > indent.len() {
                text += line[indent.len()..].trim_end();
                text += &format!("\n{indent}");
                line.truncate(indent.len());
            }
            line += word;
            line += " ";
        };
        let mut previous = None;
        for i in ends(size, edge) {
            if previous.is_some_and(|p| i != p + 1) {
                add("...");
            }
            match below {
                0 => add(words.next().expect("one word per shown element")),
                _ => add(&self.block(axis + 1, edge, width - 1, words)),
            }
            previous = Some(i);
        }
        // A word may end in blanks that align it; only the one that parts words goes.
        let rest = &line[indent.len()..];
        text + rest.strip_suffix(' ').unwrap_or(rest) + "]"
    }
}

/// The indices of an axis that are shown.
fn ends(size: usize, edge: usize) -> impl Iterator<Item = usize> {
    let all = size <= edge.saturating_mul(2);
    let (head, tail) = if all { (size, size) } else { (edge, size - edge) };
    (0..head).chain(tail..size)
}

fn padded(words: Vec<String>, least: usize) -> Vec<String> {
    let width = words.iter().map(String::len).max().unwrap_or(0).max(least);
    words.iter().map(|w| format!("{w:>width$}")).collect()
}

/// The decimal number with the fewest digits that reads back as this element of type `dtype`, in Rust's `{:e}` form.
fn shortest(v: f64, dtype: DType) -> String {
    let half = |same: &dyn Fn(f64) -> bool| {
        let digits = |n: usize| format!("{v:.n$e}");
        (0..8).map(digits).find(|text| text.parse().is_ok_and(same)).unwrap_or_else(|| digits(8))
    };
    match dtype {
        DType::F16 => half(&|read| f16::from_f64(read).to_f64() == v),
        DType::BF16 => half(&|read| bf16::from_f64(read).to_f64() == v),
        DType::F32 => format!("{:e}", v as f32),
        _ => format!("{v:e}"),
    }
}

/// Integer part (with the sign) and digits after the point, no more than `precision` and without zeros at the end.
fn positional(v: f64, dtype: DType, precision: usize) -> (String, String) {
    let exact = shortest(v, dtype);
    let read: f64 = exact.parse().expect("a decimal number");
    // Every f64 prints as its shortest decimal, so the digits are those of `exact`.
    let mut text = format!("{read}");
    if text.split_once('.').is_some_and(|(_, digits)| digits.len() > precision) {
        text = format!("{v:.precision$}");
    }
    let (whole, digits) = text.split_once('.').unwrap_or((&text, ""));
    (whole.to_owned(), digits.trim_end_matches('0').to_owned())
}

/// As [`positional`], for `d.ddde±dd`; the exponent comes third.
fn scientific(v: f64, dtype: DType, precision: usize) -> (String, String, String) {
    let mut text = shortest(v, dtype);
    let (point, end) = (text.find('.'), text.find('e').expect("{:e} writes an e"));
    if point.is_some_and(|point| end - point - 1 > precision) {
        text = format!("{v:.precision$e}");
    }
    let (mantissa, exponent) = text.split_once('e').expect("{:e} writes an e");
    let (whole, digits) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let (sign, size) = exponent.strip_prefix('-').map_or(('+', exponent), |size| ('-', size));
    (whole.to_owned(), digits.trim_end_matches('0').to_owned(), format!("e{sign}{size:0>2}"))
}

fn special(v: f64) -> &'static str {
    match v {
        _ if v.is_nan() => "nan",
        f64::INFINITY => "inf",
        _ => "-inf",
    }
}

/// A number on its own, with all its digits unless told otherwise.
fn scalar(v: f64, dtype: DType, precision: Option<usize>) -> String {
    let precision = precision.unwrap_or(usize::MAX);
    if !v.is_finite() {
        return special(v).to_owned();
    }
    if v == 0.0 || (1e-4..1e16).contains(&v.abs()) {
        let (whole, digits) = positional(v, dtype, precision);
        return format!("{whole}.{}", if digits.is_empty() { "0" } else { &digits });
    }
    let (whole, digits, exponent) = scientific(v, dtype, precision);
    let point = if digits.is_empty() { "" } else { "." };
    format!("{whole}{point}{digits}{exponent}")
}

/// Texts of equal width: points below each other, scientific when the range is wide.
fn column(values: &[f64], dtype: DType, precision: usize) -> Vec<String> {
    let finite = || values.iter().copied().filter(|v| v.is_finite());
    let sizes = || finite().map(f64::abs).filter(|&v| v != 0.0);
    let (low, high) = (sizes().fold(f64::INFINITY, f64::min), sizes().fold(0.0, f64::max));
    // What a type has no whole digits for is written with an exponent.
    let most = match dtype {
        DType::F64 => 1e8,
        DType::F32 => 1e6,
        DType::F16 => 1e3,
        _ => 1e2,
    };
    let widest = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or(0);
    let (mut left, right);
    let texts: Vec<Option<String>> = if high > 0.0 && (high >= most || low < 1e-4 || high / low > 1000.0) {
        let part = |&v: &f64| v.is_finite().then(|| scientific(v, dtype, precision));
        let parts: Vec<_> = values.iter().map(part).collect();
        let all = || parts.iter().flatten();
        left = widest(&mut all().map(|(whole, ..)| whole.len()));
        let digits = widest(&mut all().map(|(_, digits, _)| digits.len()));
        let exponent = widest(&mut all().map(|(.., exponent)| exponent.len()));
        right = digits + exponent;
        let text = |(whole, decimals, e): &(String, String, String)| {
            let (sign, size) = e.split_at(2);
            format!("{whole}.{decimals:0<digits$}{sign}{size:0>width$}", width = exponent - 2)
        };
        parts.iter().map(|p| p.as_ref().map(text)).collect()
    } else {
        let part = |&v: &f64| v.is_finite().then(|| positional(v, dtype, precision));
        let parts: Vec<_> = values.iter().map(part).collect();
        left = widest(&mut parts.iter().flatten().map(|(whole, _)| whole.len()));
        let digits = widest(&mut parts.iter().flatten().map(|(_, digits)| digits.len()));
        right = digits;
        parts.iter().map(|p| p.as_ref().map(|(whole, d)| format!("{whole}.{d:<digits$}"))).collect()
    };
    for &v in values.iter().filter(|v| !v.is_finite()) {
        left = left.max(special(v).len().saturating_sub(right + 1));
    }
    let width = left + right + 1;
    let words = values.iter().zip(&texts).map(|(&v, text)| text.as_deref().unwrap_or_else(|| special(v)));
    words.map(|text| format!("{text:>width$}")).collect()
}

#[cfg(test)]
mod tests {
    use crate::{DType, Tensor};
    use serde_json::Value;

    /// Every text of `fixtures/printing.json`, which NumPy wrote.
    #[test]
    fn prints_as_numpy() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/printing.json");
        let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{path}: {e}"));
        let cases: Vec<Value> = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}"));
        let mut failures = Vec::new();
        for case in &cases {
            let dtype = *DType::ALL.iter().find(|d| d.name() == case["dtype"]).expect("a type");
            let shape: Vec<usize> = serde_json::from_value(case["shape"].clone()).expect("a shape");
            let values: Vec<&str> =
                case["values"].as_array().expect("values").iter().filter_map(Value::as_str).collect();
            let n = shape.iter().product();
            let all = values.iter().copied().cycle().take(n);
            let x = match dtype {
                DType::Bool => Tensor::from_vec(all.map(|v| v == "true").collect(), shape),
                _ if dtype.is_float() => Tensor::from_vec(all.map(|v| v.parse::<f64>().expect(v)).collect(), shape),
                _ => Tensor::from_vec(all.map(|v| v.parse::<i64>().expect(v)).collect(), shape),
            };
            let x = x.to_dtype(dtype);
            let got = match case["precision"].as_u64() {
                Some(precision) => format!("{x:.*}", precision as usize),
                None => x.to_string(),
            };
            if got != case["text"] {
                failures.push(format!("{case}\ngot\n{got}\nexpected\n{}", case["text"].as_str().unwrap_or("")));
            }
        }
        assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), cases.len(), failures.join("\n\n"));
    }

    /// NumPy has no bf16; a text that reads back as the same number needs at most four digits.
    #[test]
    fn half_types_print_the_digits_they_have() {
        let x = Tensor::from([0.1f64, 1.0 / 3.0, -2.5]).to_dtype(DType::BF16);
        assert_eq!(x.to_string(), "[ 0.1    0.334 -2.5  ]");
        assert_eq!(format!("{x:?}"), "[ 0.1    0.334 -2.5  ]\nbf16 [3]");
    }
}
