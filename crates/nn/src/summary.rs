//! `summary`: a model's layers with output shapes, parameters and FLOPs, as a table like Keras'.

use crate::Layer;
use crate::layer::evaluating;
use hadal_core::{ModuleExt, Param, Role, Shape, Tag, Tensor, Visitor};
use std::fmt;
use std::sync::{Arc, Mutex};

/// One layer of the table.
#[derive(Clone, Debug)]
pub struct Row {
    /// The dotted name within the model.
    pub name: String,
    /// The kind of layer.
    pub kind: &'static str,
    /// Output shape for one sample, batch axis included; `None` for a layer that was not called.
    pub output: Option<Shape>,
    /// Numbers in its parameters.
    pub parameters: usize,
    /// Multiplications and additions for one sample. Convolutions and products count two per weight used, other layers one
    /// per output element.
    pub flops: usize,
}

/// What `summary` returns: printed, it is the table.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The layers in the order of the model's fields.
    pub rows: Vec<Row>,
    /// Numbers that an optimizer updates.
    pub trainable: usize,
    /// Numbers that it does not: frozen parameters and buffers.
    pub fixed: usize,
    /// Bytes of all of them.
    pub bytes: usize,
}

/// Runs the model once on zeros `[1, …input]` and lists its layers.
///
/// # Panics
/// When the model cannot take such an input.
///
/// ```
/// use hadal_nn::{Sequential, layers::{Flatten, Linear, Relu}, summary};
/// let model = Sequential::new().add(Flatten::new()).add(Linear::new(784, 128)).add(Relu).add(Linear::new(128, 10));
/// let summary = summary(&model, &[1, 28, 28]);
/// assert_eq!(summary.trainable, 101_770);
/// assert_eq!(summary.rows[1].flops, 2 * 784 * 128);
/// assert!(summary.to_string().contains("│ 1 (Linear)"));
/// ```
#[track_caller]
pub fn summary(model: &(impl Layer + ?Sized), input: &[usize]) -> Summary {
    let state = model.named_state();
    let mut listing = Listing::default();
    model.visit(&mut listing);
    let shape: Vec<usize> = std::iter::once(1).chain(input.iter().copied()).collect();
    evaluating(model, || model.forward(&Tensor::zeros(&shape[..])));
    model.visit(&mut Unhook(listing.hooks.into_iter()));
    let outputs = listing.outputs.lock().unwrap_or_else(|e| e.into_inner()).clone();
    let mut rows = listing.rows;
    for (row, output) in rows.iter_mut().zip(outputs) {
        let owned = |name: &str| name.rsplit_once('.').map_or("", |(owner, _)| owner) == row.name;
        let own = || state.iter().filter(|(name, p)| p.role() == Role::Parameter && owned(name));
        row.parameters = own().map(|(_, p)| p.get().elements()).sum();
        let weight = own().find(|(name, _)| name.ends_with("weight")).map(|(_, p)| p.get().shape().clone());
        let elements = output.as_ref().map_or(0, Shape::elements);
        row.flops = match weight {
            Some(w) if w.rank() > 1 && row.kind != "Embedding" => 2 * w.elements() * (elements / w[0].max(1)),
            _ => elements,
        };
        row.output = output;
    }
    let count = |trainable: bool| {
        let chosen = state.iter().filter(|(_, p)| p.is_trainable() == trainable);
        chosen.map(|(_, p)| p.get().elements()).sum()
    };
    let bytes = state.iter().map(|(_, p)| p.get().meta().bytes()).sum();
    Summary { rows, trainable: count(true), fixed: count(false), bytes }
}

/// Lists the layers, and notes the shape of each one's output when it is called.
#[derive(Default)]
struct Listing {
    rows: Vec<Row>,
    hooks: Vec<usize>,
    outputs: Arc<Mutex<Vec<Option<Shape>>>>,
}

impl Visitor for Listing {
    fn enter(&mut self, _: &str) {}
    fn leave(&mut self) {}

    fn layer(&mut self, tag: &Tag) {
        let (row, outputs) = (self.rows.len(), self.outputs.clone());
        outputs.lock().unwrap_or_else(|e| e.into_inner()).push(None);
        self.hooks.push(tag.register_forward_hook(Arc::new(move |_, _, output: &Tensor| {
            outputs.lock().unwrap_or_else(|e| e.into_inner())[row] = Some(output.shape().clone());
            None
        })));
        let (name, kind) = (tag.name().unwrap_or_default().to_owned(), tag.kind());
        self.rows.push(Row { name, kind, output: None, parameters: 0, flops: 0 });
    }

    fn param(&mut self, _: &Param) {}
}

/// Takes the hooks off again, in the same order.
struct Unhook(std::vec::IntoIter<usize>);

impl Visitor for Unhook {
    fn enter(&mut self, _: &str) {}
    fn leave(&mut self) {}
    fn param(&mut self, _: &Param) {}

    fn layer(&mut self, tag: &Tag) {
        self.0.next().into_iter().for_each(|number| tag.remove_hook(number));
    }
}

/// `1,234,567`.
fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `478.79 KB`, in steps of 1024 as Keras.
fn size(bytes: usize) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KB", "MB"] {
        if value < 1024.0 {
            return format!("{value:.2} {unit}");
        }
        value /= 1024.0;
    }
    format!("{value:.2} GB")
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["Layer (type)", "Output Shape", "Param #", "FLOPs"].map(String::from);
        let shape = |row: &Row| match &row.output {
            None => "?".into(),
            Some(shape) => {
                let sizes: Vec<String> = shape.iter().skip(1).map(usize::to_string).collect();
                format!("(None, {})", sizes.join(", "))
            }
        };
        let lines: Vec<[String; 4]> = self
            .rows
            .iter()
            .map(|row| {
                let name = format!("{} ({})", row.name, row.kind).trim().to_owned();
                [name, shape(row), grouped(row.parameters), grouped(row.flops)]
            })
            .collect();
        let width = |i: usize| lines.iter().chain([&head]).map(|l| l[i].chars().count()).max().unwrap_or(0);
        let widths: [usize; 4] = std::array::from_fn(width);
        let rule = |left: &str, fill: &str, middle: &str, right: &str| {
            let parts = widths.map(|w| fill.repeat(w + 2));
            format!("{left}{}{right}", parts.join(middle))
        };
        let line = |bar: &str, l: &[String; 4]| {
            let [a, b, c, d] = widths;
            format!("{bar} {:<a$} {bar} {:<b$} {bar} {:>c$} {bar} {:>d$} {bar}", l[0], l[1], l[2], l[3])
        };
        writeln!(f, "{}", rule("┏", "━", "┳", "┓"))?;
        writeln!(f, "{}", line("┃", &head))?;
        writeln!(f, "{}", rule("┡", "━", "╇", "┩"))?;
        for (i, l) in lines.iter().enumerate() {
            if i > 0 {
                writeln!(f, "{}", rule("├", "─", "┼", "┤"))?;
            }
            writeln!(f, "{}", line("│", l))?;
        }
        writeln!(f, "{}", rule("└", "─", "┴", "┘"))?;
        let flops = self.rows.iter().map(|row| row.flops).sum();
        writeln!(f, " Total params: {} ({})", grouped(self.trainable + self.fixed), size(self.bytes))?;
        writeln!(f, " Trainable params: {}", grouped(self.trainable))?;
        writeln!(f, " Non-trainable params: {}", grouped(self.fixed))?;
        write!(f, " FLOPs per sample: {}", grouped(flops))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_sizes_are_keras() {
        assert_eq!([grouped(0), grouped(122570), grouped(11689512)], ["0", "122,570", "11,689,512"]);
        assert_eq!(size(122_570 * 4), "478.79 KB");
    }
}
