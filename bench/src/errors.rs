//! `errors`: the error of every fast kernel against f64, beside that of the plain f32 kernel on the same numbers.

mod cases;
mod definitions;
mod functions;
mod halves;
mod tape;

use cases::Case;
use hadal::prelude::*;
use std::error::Error;
use std::fmt::Write;
use tape::{Number, Tape};

/// A line of the table of kernels.
struct Row {
    what: String,
    /// Relative to the largest number of the exact result.
    kernel: f64,
    plain: f64,
    bound: f64,
}

/// Beside the plain kernel, an error may be larger by chance, but not by more than this.
const LOSS: f64 = 3.0;

/// A result, and the gradients of the inputs that have one, first to last.
type Found = Vec<Vec<f64>>;

impl Case {
    /// The gradient that the result is given: numbers of both signs, none of them zero.
    fn seed(&self, length: usize, dtype: DType) -> Tensor {
        let seed: Vec<f32> = (0..length).map(|i| (i * 7919 % 2003) as f32 / 1001.0 - 1.0005).collect();
        Tensor::from_slice(&seed).to_dtype(dtype)
    }

    fn named(&self) -> Vec<usize> {
        (0..self.inputs.len()).filter(|&i| !self.inputs[i].0.is_empty()).collect()
    }

    fn computed(&self, dtype: DType) -> Found {
        let input = |(name, x): &(&str, Tensor)| {
            let x = x.to_dtype(dtype);
            if name.is_empty() { x } else { x.requires_grad() }
        };
        let inputs: Vec<Tensor> = self.inputs.iter().map(input).collect();
        let y = (self.kernel)(&inputs);
        let xs: Vec<&Tensor> = self.named().into_iter().map(|i| &inputs[i]).collect();
        let mut found = vec![numbers(&y)];
        if !xs.is_empty() {
            let seed = self.seed(y.elements(), dtype).reshape(y.shape());
            let gradients = grad(&[&y], &[Some(&seed)], &xs, Keep::Nothing).expect("the result depends on them");
            found.extend(gradients.iter().map(numbers));
        }
        found
    }

    /// The definition, on the numbers that the inputs are in this type.
    fn defined(&self, mut tape: Tape, dtype: DType) -> Found {
        let leaves =
            |x: &Tensor, tape: &mut Tape| numbers(&x.to_dtype(dtype)).into_iter().map(|x| tape.leaf(x)).collect();
        let inputs: Vec<Vec<Number>> = self.inputs.iter().map(|(_, x)| leaves(x, &mut tape)).collect();
        let y = (self.definition)(&mut tape, &inputs);
        let mut found = vec![y.iter().map(|&y| tape.value(y)).collect()];
        if !self.named().is_empty() {
            let gradients = tape.gradients(y.iter().copied().zip(numbers(&self.seed(y.len(), dtype))));
            let of = |i: usize| inputs[i].iter().map(|&x| gradients.of(x)).collect();
            found.extend(self.named().into_iter().map(of));
        }
        found
    }

    /// What row `i` is about: the result, or one of the gradients.
    fn what(&self, i: usize) -> String {
        match i {
            0 => self.name.clone(),
            _ => format!("– gradient of {}", self.inputs[self.named()[i - 1]].0),
        }
    }

    /// A row for the result and one for each gradient.
    fn rows(&self) -> Vec<Row> {
        let (exact, plain) = (self.defined(Tape::double(), DType::F32), self.defined(Tape::single(), DType::F32));
        let kernel = self.computed(DType::F32);
        let row = |(i, exact): (usize, &Vec<f64>)| {
            let (kernel, plain) = (relative(&kernel[i], exact), relative(&plain[i], exact));
            Row { what: self.what(i), kernel, plain, bound: self.bounds[i.min(1)] }
        };
        exact.iter().enumerate().map(row).collect()
    }
}

/// The largest difference, relative to the largest number of the exact result.
fn relative(found: &[f64], exact: &[f64]) -> f64 {
    assert_eq!(found.len(), exact.len(), "sizes");
    let size = exact.iter().fold(0.0f64, |most, x| most.max(x.abs()));
    let most = found.iter().zip(exact).fold(0.0f64, |most, (a, b)| most.max((a - b).abs()));
    // A number that is none is as wrong as it gets.
    if found.iter().any(|x| x.is_nan()) { f64::INFINITY } else { most / size }
}

fn numbers(x: &Tensor) -> Vec<f64> {
    x.to_dtype(DType::F64).to_vec()
}

/// Prints the tables in Markdown, as `docs/numerics.md` has them.
///
/// # Errors
/// If an error is above its bound.
pub fn print() -> Result<(), Box<dyn Error>> {
    let (text, above) = tables();
    println!("{text}");
    if above.is_empty() { Ok(()) } else { Err(format!("above the bound: {}", above.join(", ")).into()) }
}

/// The tables, and what is above its bound.
fn tables() -> (String, Vec<String>) {
    let (mut text, mut above) = (String::new(), Vec::new());
    text += "| kernel | Hadal | plain f32 | stays below |\n|---|---|---|---|\n";
    let cases = cases::all();
    for row in cases.iter().flat_map(Case::rows) {
        let _ =
            writeln!(text, "| {} | {} | {} | {} |", row.what, short(row.kernel), short(row.plain), short(row.bound));
        if row.kernel > row.bound || row.kernel > LOSS * row.plain.max(f64::from(f32::EPSILON) / 2.0) {
            above.push(format!("{} ({:.2e})", row.what, row.kernel));
        }
    }
    text += "\n| function | error in | Hadal | plain f32 | stays below |\n|---|---|---|---|---|\n";
    for function in functions::all() {
        let [kernel, plain] = function.errors();
        let (name, unit, bound) = (function.name, function.unit.name(), function.bound);
        // A plain sigmoid is zero where its exponential overflows.
        let plain = if plain < 1e3 { format!("{plain:.2}") } else { format!("{plain:.0e}") };
        let _ = writeln!(text, "| {name} | {unit} | {kernel:.2} | {plain} | {bound} |");
        if kernel > bound {
            above.push(format!("{name} ({kernel:.3})"));
        }
    }
    for (title, rows) in [("kernel", halves::kernels(&cases)), ("function", halves::functions())] {
        let _ = write!(text, "\n| {title} in half precision | f16 | bf16 | stays below |\n|---|---|---|---|\n");
        for halves::Row { what, errors, bound } in rows {
            let _ = writeln!(text, "| {what} | {:.2} | {:.2} | {bound} |", errors[0], errors[1]);
            if errors.iter().any(|&error| error > bound) {
                above.push(format!("{what} ({errors:.3?})"));
            }
        }
    }
    (text, above)
}

/// Two digits are enough: `1.2e-7`.
fn short(x: f64) -> String {
    if x == 0.0 { "0".into() } else { format!("{x:.1e}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After a change of a kernel, write the tables again: `HADAL_WRITE_DOCS=1 cargo test -p hadal-bench`.
    #[test]
    fn errors_are_below_their_bounds_and_documented() {
        const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/numerics.md");
        let (text, above) = tables();
        assert!(above.is_empty(), "above the bound: {above:?}");
        let page = std::fs::read_to_string(FILE).unwrap();
        let (begin, end) = ("<!-- hadal-bench errors -->\n", "<!-- end -->");
        let (before, rest) = page.split_once(begin).expect("a mark before the tables");
        let (documented, after) = rest.split_once(end).expect("a mark after the tables");
        if std::env::var_os("HADAL_WRITE_DOCS").is_some() {
            std::fs::write(FILE, format!("{before}{begin}{text}{end}{after}")).unwrap();
            return;
        }
        assert!(documented == text, "HADAL_WRITE_DOCS=1 cargo test -p hadal-bench writes docs/numerics.md again");
    }
}
