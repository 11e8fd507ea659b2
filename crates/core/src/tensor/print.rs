//! Printing tensors as NumPy does.

use super::{Category, Element, Tensor};
use std::fmt;

/// Longer axes show this many elements at each end, once a tensor has more than `FULL` elements.
const EDGE: usize = 3;
const FULL: usize = 1000;
const WIDTH: usize = 80;

impl fmt::Display for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = Vec::new();
        let edge = if self.elements() > FULL { EDGE } else { usize::MAX };
        self.visit(0, self.layout().offset as isize, edge, &mut |value| shown.push(value));
        let text = column(&shown, self.dtype().category(), f.precision().unwrap_or(4));
        if self.rank() == 0 {
            return f.write_str(text[0].trim());
        }
        let mut values = text.iter();
        self.block(f, 0, edge, &mut values)
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}\n{} {}", self.dtype(), self.shape())
    }
}

impl Tensor {
    /// Visits the elements that are shown, in row-major order.
    fn visit(&self, axis: usize, at: isize, edge: usize, f: &mut impl FnMut(f64)) {
        if axis == self.rank() {
            let buffer = &self.0.data.buffer;
            return f(crate::dispatch!(all self.dtype(), T => buffer.slice::<T>()[at as usize].to_f64()));
        }
        for i in shown(self.shape()[axis], edge) {
            self.visit(axis + 1, at + i as isize * self.strides()[axis], edge, f);
        }
    }

    fn block<'a>(
        &self,
        f: &mut fmt::Formatter<'_>,
        axis: usize,
        edge: usize,
        values: &mut impl Iterator<Item = &'a String>,
    ) -> fmt::Result {
        let size = self.shape()[axis];
        let last = axis + 1 == self.rank();
        let indent = axis + 1;
        let (mut previous, mut column) = (None, indent);
        f.write_str("[")?;
        for i in shown(size, edge) {
            let gap = previous.is_some_and(|p| i != p + 1);
            if last {
                let value = values.next().expect("one text per shown element");
                if column > indent && column + value.len() + 1 > WIDTH {
                    write!(f, "\n{:indent$}", "")?;
                    column = indent;
                } else if previous.is_some() {
                    f.write_str(" ")?;
                }
                if gap {
                    f.write_str("... ")?;
                    column += 4;
                }
                f.write_str(value)?;
                column += value.len() + 1;
            } else {
                if previous.is_some() {
                    write!(f, "{}{:indent$}", "\n".repeat(self.rank() - axis - 1), "")?;
                }
                if gap {
                    write!(f, "...{}{:indent$}", "\n".repeat(self.rank() - axis - 1), "")?;
                }
                self.block(f, axis + 1, edge, values)?;
            }
            previous = Some(i);
        }
        f.write_str("]")
    }
}

/// The indices of an axis that are shown.
fn shown(size: usize, edge: usize) -> impl Iterator<Item = usize> {
    let head = if size > edge.saturating_mul(2) { edge } else { size };
    let tail = if size > edge.saturating_mul(2) { size - edge } else { size };
    (0..head).chain(tail..size)
}

/// Texts of equal width, in NumPy's style: scientific when the range is wide.
fn column(values: &[f64], category: Category, precision: usize) -> Vec<String> {
    let finite = || values.iter().map(|v| v.abs()).filter(|v| v.is_finite() && *v != 0.0);
    let (low, high) = (finite().fold(f64::INFINITY, f64::min), finite().fold(0.0, f64::max));
    let scientific = high >= 1e8 || low < 1e-4 || high / low > 1e3 && high >= 1e5;
    let format = |v: f64| match category {
        Category::Bool => (v != 0.0).to_string(),
        Category::Integer => format!("{v:.0}"),
        Category::Float if v.is_nan() => "nan".into(),
        Category::Float if v.is_infinite() => if v > 0.0 { "inf" } else { "-inf" }.into(),
        Category::Float if scientific && high > 0.0 => {
            let text = format!("{v:.precision$e}");
            let (mantissa, exponent) = text.split_once('e').expect("{:e} writes an e");
            let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |d| ('-', d));
            format!("{mantissa}e{sign}{digits:0>2}")
        }
        Category::Float => format!("{v:.precision$}"),
    };
    let mut texts: Vec<String> = values.iter().map(|&v| format(v)).collect();
    if category == Category::Float && !(scientific && high > 0.0) {
        // As NumPy, trim each number's zeros and pad with blanks: [1.  2.5] and not [1.0000 2.5000].
        let trimmed = |t: &String| t.contains('.').then(|| t.trim_end_matches('0').len());
        let decimals = |t: &String| trimmed(t).map_or(0, |n| n - t.find('.').expect("checked") - 1);
        let digits = texts.iter().map(decimals).max().unwrap_or(0);
        for text in &mut texts {
            if let Some(length) = trimmed(text) {
                let missing = digits - decimals(text);
                text.truncate(length);
                text.extend(std::iter::repeat_n(' ', missing));
            }
        }
    }
    let width = texts.iter().map(String::len).max().unwrap_or(0);
    texts.iter().map(|t| format!("{t:>width$}")).collect()
}

#[cfg(test)]
mod tests {
    use crate::Tensor;

    #[test]
    fn prints_as_numpy() {
        let x = Tensor::from([[1.0f32, -2.5, 3.0], [0.0, 10.0, f32::NAN]]);
        assert_eq!(x.to_string(), "[[ 1.  -2.5  3. ]\n [ 0.  10.   nan]]");
        assert_eq!(Tensor::from(3.5f32).to_string(), "3.5");
        assert_eq!(Tensor::from([true, false]).to_string(), "[ true false]");
        assert_eq!(Tensor::from([[1i64, 20], [3, 4]]).to_string(), "[[ 1 20]\n [ 3  4]]");
        assert_eq!(Tensor::from([1e-6f64, 1.0]).to_string(), "[1.0000e-06 1.0000e+00]");
        assert_eq!(Tensor::zeros([0, 3]).to_string(), "[]");
        assert_eq!(Tensor::zeros([2, 1, 2]).to_string(), "[[[0. 0.]]\n\n [[0. 0.]]]");
        let long = Tensor::arange(2000).to_string();
        assert_eq!(long, "[   0    1    2 ... 1997 1998 1999]");
    }
}
