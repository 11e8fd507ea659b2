//! `summary`: a model's layers in the order in which they run, with shapes, parameters and work, as a table like Keras'.

mod table;

use crate::{Layer, evaluating};
use hadal_core::{ForwardHook, Param, Role, Shape, Tag, Tensor, Visitor, attempt};
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex};

/// One layer's line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The dotted name within the model.
    pub name: String,
    /// The kind of layer.
    pub kind: String,
    /// The output's shape for a batch of one.
    pub output: Shape,
    /// Numbers in the layer's own parameters.
    pub parameters: usize,
    /// Multiplications and additions for one sample, in matrix products and convolutions.
    pub flops: usize,
}

/// What [`summary`] found. It prints as a table.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The model's type.
    pub model: String,
    /// The layers in the order in which they ran.
    pub rows: Vec<Row>,
    /// Learned numbers that are not frozen.
    pub trainable: Amount,
    /// Frozen numbers.
    pub frozen: Amount,
    /// Running statistics and other state.
    pub buffers: Amount,
}

/// A number of numbers, and their bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Amount {
    /// How many.
    pub numbers: usize,
    /// Their memory.
    pub bytes: usize,
}

impl Amount {
    fn add(&mut self, tensor: &Tensor) {
        self.numbers += tensor.elements();
        self.bytes += tensor.elements() * tensor.dtype().size();
    }
}

/// Runs the model once on zeros, a batch of one sample of shape `input`, in evaluation mode, and writes down what its
/// layers do. Lazy layers learn their sizes on the way.
///
/// ```
/// use hadal_nn::{layers::{Linear, Relu}, seq, summary};
/// let model = seq![Linear::new(784, 128), Relu, Linear::new(128, 10)];
/// let summary = summary(&model, &[784]);
/// assert_eq!(summary.trainable.numbers, 101_770);
/// println!("{summary}");
/// ```
///
/// # Panics
/// If the model does not take such an input.
#[track_caller]
pub fn summary<M: Layer + ?Sized>(model: &M, input: &[usize]) -> Summary {
    let rows = Arc::new(Mutex::new(Vec::new()));
    let hook: ForwardHook = {
        let rows = rows.clone();
        Arc::new(move |tag: &Tag, input: &Tensor, output: &Tensor| {
            let call = Call {
                name: tag.name().unwrap_or_default().to_owned(),
                kind: tag.kind(),
                input: input.shape().clone(),
                output: output.shape().clone(),
            };
            rows.lock().unwrap_or_else(|e| e.into_inner()).push(call);
            None
        })
    };
    let mut hooks = Hooks { hook, numbers: Vec::new() };
    hadal_core::ModuleExt::named_state(model);
    model.visit(&mut hooks);
    let shape: Vec<usize> = [1].iter().chain(input).copied().collect();
    let run = std::panic::AssertUnwindSafe(|| {
        evaluating(model, || attempt(|| model.forward(&Tensor::zeros_with(&shape[..], model.input_dtype()))))
    });
    let outcome = std::panic::catch_unwind(run);
    hooks.numbers.reverse();
    model.visit(&mut Unhook(hooks.numbers));
    match outcome {
        Ok(Ok(_)) => (),
        Ok(Err(error)) => error.raise(),
        Err(panic) => std::panic::resume_unwind(panic),
    }

    let mut places = Places::default();
    model.visit(&mut places);
    let calls = std::mem::take(&mut *rows.lock().unwrap_or_else(|e| e.into_inner()));
    let rows = rows_of(calls, &places);
    let model = std::any::type_name::<M>().rsplit("::").next().unwrap_or_default();
    let model = if model.contains(['<', '>', ' ']) { "model" } else { model };
    let Places { trainable, frozen, buffers, .. } = places;
    Summary { model: model.to_owned(), rows, trainable, frozen, buffers }
}

/// One call of a layer.
struct Call {
    name: String,
    kind: &'static str,
    input: Shape,
    output: Shape,
}

/// A row per layer that ran; a layer that ran again adds its work to its row. Parameters that belong to no layer that
/// ran have rows of their own at the end.
fn rows_of(calls: Vec<Call>, places: &Places) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut unseen = places.owned.clone();
    for call in calls {
        let flops = places.weights.get(&call.name).map_or(0, |weights| flops(&call, weights));
        if let Some(row) = rows.iter_mut().find(|row| row.name == call.name && row.kind == call.kind) {
            row.flops += flops;
            continue;
        }
        let parameters = unseen.remove(&call.name).map_or(0, |amount| amount.numbers);
        let kind = call.kind.to_owned();
        rows.push(Row { name: call.name, kind, output: call.output, parameters, flops });
    }
    let left = unseen.into_iter().filter(|(_, amount)| amount.numbers > 0);
    rows.extend(left.map(|(name, amount)| {
        let (kind, output) = ("parameters".to_owned(), Shape::from(()));
        Row { name, kind, output, parameters: amount.numbers, flops: 0 }
    }));
    rows
}

/// Two per multiplication and addition of a weight with an input; for attention also those of queries with keys and of
/// values with weights, as for self-attention.
fn flops(call: &Call, weights: &[Shape]) -> usize {
    let elements: usize = weights.iter().map(Shape::elements).sum();
    let per_channel = elements / weights[0][0].max(1);
    let features = call.input.last().copied().unwrap_or(1);
    let positions = call.input.elements() / features.max(1);
    match call.kind {
        kind if kind.starts_with("ConvTranspose") => 2 * call.input.elements() * per_channel,
        kind if kind == "Linear" || kind.starts_with("Conv") => 2 * call.output.elements() * per_channel,
        "Rnn" | "Lstm" | "Gru" => 2 * positions * elements,
        "MultiheadAttention" => 2 * positions * elements + 4 * positions * positions * features,
        _ => 0,
    }
}

/// Puts the hook on every layer.
struct Hooks {
    hook: ForwardHook,
    numbers: Vec<usize>,
}

impl Visitor for Hooks {
    fn enter(&mut self, _: &str) {}
    fn leave(&mut self) {}
    fn param(&mut self, _: &Param) {}
    fn layer(&mut self, tag: &Tag) {
        self.numbers.push(tag.register_forward_hook(self.hook.clone()));
    }
}

/// Takes the hooks off again, by their numbers in visiting order, last first.
struct Unhook(Vec<usize>);

impl Visitor for Unhook {
    fn enter(&mut self, _: &str) {}
    fn leave(&mut self) {}
    fn param(&mut self, _: &Param) {}
    fn layer(&mut self, tag: &Tag) {
        if let Some(number) = self.0.pop() {
            tag.remove_hook(number);
        }
    }
}

/// Parameters by the name of what owns them, each place once.
#[derive(Default)]
struct Places {
    path: Vec<String>,
    seen: HashSet<usize>,
    owned: BTreeMap<String, Amount>,
    /// Shapes of the parameters with more than one axis.
    weights: BTreeMap<String, Vec<Shape>>,
    trainable: Amount,
    frozen: Amount,
    buffers: Amount,
}

impl Visitor for Places {
    fn enter(&mut self, name: &str) {
        self.path.push(name.to_owned());
    }

    fn leave(&mut self) {
        self.path.pop();
    }

    fn param(&mut self, param: &Param) {
        let Some((_, owner)) = self.path.split_last() else { return };
        let (owner, value) = (owner.join("."), param.get());
        if value.rank() > 1 {
            self.weights.entry(owner.clone()).or_default().push(value.shape().clone());
        }
        if !self.seen.insert(param.key()) {
            return;
        }
        match param.role() {
            Role::Buffer => self.buffers.add(&value),
            Role::Parameter if param.is_trainable() => self.trainable.add(&value),
            Role::Parameter => self.frozen.add(&value),
        }
        if param.role() == Role::Parameter {
            self.owned.entry(owner).or_default().add(&value);
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        table::write(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::{BatchNorm2d, Conv2d, Flatten, Linear, Lstm, MaxPool2d, Relu, TransformerEncoderLayer};
    use crate::seq;
    use hadal_core::Module;
    use hadal_core::{ModuleExt, Shape};

    /// The Keras tutorial's CNN: 122,570 parameters, 478.79 KB, as Keras prints.
    #[test]
    fn prints_a_table_like_keras() {
        let model = seq![
            Conv2d::new(3, 32, 3),
            Relu,
            MaxPool2d::new(2),
            Conv2d::new(32, 64, 3),
            MaxPool2d::new(2),
            Conv2d::new(64, 64, 3),
            Flatten::new(),
            Linear::new(1024, 64),
            Linear::new(64, 10),
        ];
        let text = summary(&model, &[3, 32, 32]).to_string();
        let expected = "\
Model: \"Sequential\"
┏━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━┳━━━━━━━━━━━┓
┃ Layer (type)  ┃ Output Shape       ┃ Param # ┃     FLOPs ┃
┡━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━╇━━━━━━━━━━━┩
│ 0 (Conv2d)    │ (None, 32, 30, 30) │     896 │ 1,555,200 │
├───────────────┼────────────────────┼─────────┼───────────┤
│ 1 (Relu)      │ (None, 32, 30, 30) │       0 │         0 │
├───────────────┼────────────────────┼─────────┼───────────┤
│ 2 (MaxPool2d) │ (None, 32, 15, 15) │       0 │         0 │
├───────────────┼────────────────────┼─────────┼───────────┤
│ 3 (Conv2d)    │ (None, 64, 13, 13) │  18,496 │ 6,230,016 │
├───────────────┼────────────────────┼─────────┼───────────┤
│ 4 (MaxPool2d) │ (None, 64, 6, 6)   │       0 │         0 │
├───────────────┼────────────────────┼─────────┼───────────┤
│ 5 (Conv2d)    │ (None, 64, 4, 4)   │  36,928 │ 1,179,648 │
├───────────────┼────────────────────┼─────────┼───────────┤
│ 6 (Flatten)   │ (None, 1024)       │       0 │         0 │
├───────────────┼────────────────────┼─────────┼───────────┤
│ 7 (Linear)    │ (None, 64)         │  65,600 │   131,072 │
├───────────────┼────────────────────┼─────────┼───────────┤
│ 8 (Linear)    │ (None, 10)         │     650 │     1,280 │
└───────────────┴────────────────────┴─────────┴───────────┘
 Total params: 122,570 (478.79 KB)
 Trainable params: 122,570 (478.79 KB)
 Non-trainable params: 0 (0.00 B)
 FLOPs per sample: 9,097,216";
        assert_eq!(text, expected);
    }

    #[test]
    fn frozen_numbers_and_buffers_are_counted_apart() {
        let model = seq![Conv2d::new(1, 4, 3).padding(1), BatchNorm2d::new(4)];
        model.parameters()[0].freeze();
        let found = summary(&model, &[1, 8, 8]);
        assert_eq!(found.frozen, Amount { numbers: 36, bytes: 144 });
        assert_eq!(found.trainable, Amount { numbers: 12, bytes: 48 });
        assert_eq!(found.buffers, Amount { numbers: 9, bytes: 40 });
        // The run neither counted as a batch nor left the model in evaluation mode.
        let state = crate::state_dict(&model);
        assert_eq!(state["1.num_batches_tracked"].item::<i64>(), 0);
        model.forward(&Tensor::ones([2, 1, 8, 8]));
        assert_eq!(crate::state_dict(&model)["1.num_batches_tracked"].item::<i64>(), 1);
    }

    #[test]
    fn a_layer_used_twice_has_one_row_and_lazy_layers_are_built() {
        #[derive(Module)]
        struct Twice {
            inner: Linear,
            offset: Param,
        }
        impl Layer for Twice {
            fn forward(&self, x: &Tensor) -> Tensor {
                self.inner.forward(&self.inner.forward(x)) + self.offset.get()
            }
        }
        let model = Twice { inner: Linear::lazy(6), offset: Param::new(Tensor::zeros([6])) };
        let found = summary(&model, &[6]);
        let row = |name: &str, kind: &str, output: Shape, parameters, flops| Row {
            name: name.into(),
            kind: kind.into(),
            output,
            parameters,
            flops,
        };
        assert_eq!(
            found.rows,
            [row("inner", "Linear", [1, 6].into(), 42, 2 * 72), row("", "parameters", ().into(), 6, 0)]
        );
        assert_eq!(found.model, "Twice");
    }

    #[test]
    fn recurrent_and_attention_layers_have_rows_with_their_work() {
        let model = seq![Lstm::new(3, 4).bidirectional(), TransformerEncoderLayer::new(8, 2).feedforward(16)];
        let found = summary(&model, &[5, 3]);
        let row = |name: &str| found.rows.iter().find(|row| row.name == name).unwrap().clone();
        let lstm = row("0");
        assert_eq!((lstm.kind.as_str(), lstm.output, lstm.parameters), ("Lstm", [1, 5, 8].into(), 288));
        // Two directions of 5 steps by weights [16, 3] and [16, 4].
        assert_eq!(lstm.flops, 2 * 5 * 2 * 16 * 7);
        let attention = row("1.self_attn");
        assert_eq!((attention.kind.as_str(), attention.parameters), ("MultiheadAttention", 24 * 8 + 24));
        // The projection [24, 8] of 5 steps, and two products of 5 × 5 with 8 features.
        assert_eq!(attention.flops, 2 * 5 * 24 * 8 + 2 * 2 * 5 * 5 * 8);
        assert_eq!(row("1.self_attn.out_proj").flops, 2 * 5 * 8 * 8);
        // Attention, two dense layers, two normalizations.
        assert_eq!(found.trainable.numbers, 288 + 4 * (8 * 8 + 8) + (16 * 8 + 16) + (8 * 16 + 8) + 2 * 2 * 8);
    }
}
