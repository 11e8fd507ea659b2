//! `recurrence`: an LSTM, GRU or plain recurrent network along whole sequences, as one op.

use crate::grad;
use crate::op::{apply_all, require_one_float_type};
use crate::ops::prelude::*;
use crate::testing::Attributes;
use hadal_kernels::recurrent::{
    Cell, Forward, Gradients, Kept, Outputs, RecurrentElement, Sequences, backward, forward,
};

/// How a recurrent network goes along sequences.
#[derive(Clone, Copy, Debug)]
pub struct Walk<'a> {
    /// The axis of the inputs that counts steps: 0 or 1; the batch is the other.
    pub axis: usize,
    /// From the last step to the first.
    pub backwards: bool,
    /// The number of steps that mean something in each sequence, all if not given. Beyond them the state stays what it
    /// is and the output is zero: PyTorch's packed sequences.
    pub lengths: Option<&'a [usize]>,
}

impl Walk<'_> {
    /// The walk that a recorded case names.
    pub(super) fn recorded(a: &Attributes) -> Walk<'static> {
        Walk { axis: a.flag("batch_first") as usize, backwards: a.flag("backwards"), lengths: None }
    }

    /// Makes `step`s from `state` with the inputs of each: the outputs of all, which are the first tensor of each state,
    /// in the layout of the inputs, and the last state. `inputs` has three axes, a state's tensors `[batch, hidden]`.
    pub fn along(
        &self,
        inputs: &Tensor,
        mut state: Vec<Tensor>,
        step: impl Fn(&Tensor, &[Tensor]) -> Result<Vec<Tensor>>,
    ) -> Result<(Tensor, Vec<Tensor>)> {
        let axis = self.axis as isize;
        let mut inputs: Vec<(usize, Tensor)> = inputs.try_unbind(axis)?.into_iter().enumerate().collect();
        if self.backwards {
            inputs.reverse();
        }
        let mut outputs = Vec::with_capacity(inputs.len());
        for (number, input) in &inputs {
            let next = step(input, &state)?;
            match self.beyond(*number) {
                None => {
                    outputs.push(next[0].clone());
                    state = next;
                }
                // Sequences that are over, or have not begun, keep their state and give zeros.
                Some(beyond) => {
                    outputs.push(next[0].try_masked_fill(&beyond, 0)?);
                    let kept = state.iter().zip(next).map(|(old, new)| beyond.try_where_(old, new));
                    state = kept.collect::<Result<_>>()?;
                }
            }
        }
        if self.backwards {
            outputs.reverse();
        }
        Ok((Tensor::try_stack(&outputs, axis)?, state))
    }

    /// Which sequences do not have this step, `[batch, 1]`, if some have not.
    fn beyond(&self, step: usize) -> Option<Tensor> {
        let over: Vec<bool> = self.lengths?.iter().map(|&length| step >= length).collect();
        let batch = over.len();
        over.contains(&true).then(|| Tensor::from_vec(over, [batch, 1]))
    }
}

/// `x·W_ihᵀ + b_ih, hidden (, memory), W_hh (, b_hh) → y, hidden (, memory), kept`
///
/// `kept` is what the gradient needs besides `y`; it has no elements if there will be none.
#[derive(Debug, Clone)]
struct Recurrence {
    name: &'static str,
    cell: Cell,
    axis: usize,
    backwards: bool,
    lengths: Option<Vec<usize>>,
    keep: bool,
}

impl Recurrence {
    /// The number of tensors in a state.
    fn states(&self) -> usize {
        1 + self.cell.has_memory() as usize
    }

    fn walk(&self) -> Walk<'_> {
        Walk { axis: self.axis, backwards: self.backwards, lengths: self.lengths.as_deref() }
    }

    /// Of inputs `[batch, steps, …]` or `[steps, batch, …]`.
    fn sequences(&self, x: &Shape, hidden: usize) -> Sequences<'_> {
        Sequences {
            batch: x[1 - self.axis],
            steps: x[self.axis],
            hidden,
            batch_first: self.axis == 1,
            backwards: self.backwards,
            lengths: self.lengths.as_deref(),
        }
    }

    /// The size of `kept`'s last axis.
    fn kept(&self, hidden: usize) -> usize {
        if self.keep { self.cell.kept() * hidden } else { 0 }
    }

    fn forward<T: Element + RecurrentElement>(&self, x: &[Input], y: &mut [Output]) {
        let states = self.states();
        let sequences = self.sequences(x[0].shape(), x[1].shape()[1]);
        let bias = x.get(2 + states).map(|bias| bias.contiguous::<T>());
        let memory = (states == 2).then(|| x[2].contiguous::<T>());
        let from = Forward {
            x: &x[0].contiguous::<T>(),
            hidden: &x[1].contiguous::<T>(),
            memory: memory.as_deref().unwrap_or_default(),
            weight: &x[1 + states].contiguous::<T>(),
            bias: bias.as_deref(),
        };
        let [y, hidden, rest @ ..] = y else { unreachable!("three outputs or four") };
        let (memory, kept) = rest.split_at_mut(states - 1);
        let memory = memory.first_mut().map(|memory| memory.slice::<T>()).unwrap_or_default();
        let to = Outputs { y: y.slice(), hidden: hidden.slice(), memory, kept: kept[0].slice() };
        forward(self.cell, &sequences, from, to);
    }
}

impl Op for Recurrence {
    fn name(&self) -> &'static str {
        self.name
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        let (gates, states) = (self.cell.gates(), self.states());
        let fail = |message: String| Err(Error::op(self.name, message));
        let layout = ["steps, batch", "batch, steps"][self.axis];
        let &[first, second, width] = &x[0].shape[..] else {
            return fail(format!("needs inputs [{layout}, {gates}·hidden], got {}", x[0].shape));
        };
        let hidden = width / gates;
        if hidden * gates != width {
            let shape = &x[0].shape;
            return fail(format!("needs inputs [{layout}, {gates}·hidden], got {width} features (input {shape})"));
        }
        let (batch, steps) = if self.axis == 1 { (first, second) } else { (second, first) };
        if let Some(lengths) = &self.lengths
            && (lengths.len() != batch || lengths.iter().any(|&length| length > steps))
        {
            return fail(format!("needs {batch} lengths of at most {steps}, got {lengths:?}"));
        }
        let state = Shape::from([batch, hidden]);
        let (weight, bias) = (Shape::from([width, hidden]), Shape::from(width));
        let named = [("state", &state), ("state", &state), ("recurrent weight", &weight), ("recurrent bias", &bias)];
        for ((name, shape), given) in named[2 - states..].iter().zip(&x[1..]) {
            if given.shape != **shape {
                let input = &x[0].shape;
                return fail(format!("needs a {name} of shape {shape}, got {} (input {input})", given.shape));
            }
        }
        require_one_float_type(self, x)?;
        let shapes = [[first, second, hidden].into(), state.clone()].into_iter();
        let kept = Shape::from([first, second, self.kept(hidden)]);
        Ok(shapes.chain((states == 2).then_some(state)).chain([kept]).map(|shape| x[0].with_shape(shape)).collect())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(reals x[0].dtype(), T => self.forward::<T>(x, y));
    }

    /// Those of the recurrent products; the gates are elementwise.
    fn flops(&self, x: &[Meta], _: &[Meta]) -> u64 {
        2 * (x[0].shape.elements() * x[1].shape[1]) as u64
    }

    fn reads(&self) -> Reads {
        Reads { inputs: !0, outputs: 1 | 1 << (1 + self.states()) }
    }

    fn grad(&self, g: &Grad) -> Grads {
        let states = self.states();
        let mut inputs = vec![g.output(1 + states), g.output(0)];
        inputs.extend((1..2 + states).map(|i| g.input(i)));
        inputs.extend((0..1 + states).map(|i| g.of(i)));
        let gradient = RecurrenceGrad { forward: self.clone(), bias: g.inputs() == 3 + states };
        let outputs = apply_all(gradient, &inputs.iter().collect::<Vec<_>>());
        outputs.unwrap_or_else(|e| e.raise()).into_iter().map(Some).collect()
    }

    fn decompose(&self, x: &[Tensor]) -> Option<Vec<Tensor>> {
        let states = self.states();
        let (weight, bias) = (&x[1 + states], x.get(2 + states));
        let step = |input: &Tensor, state: &[Tensor]| match self.cell {
            Cell::Lstm => {
                input.try_lstm_cell(&state[0], &state[1], weight, bias).map(|(hidden, cell)| vec![hidden, cell])
            }
            Cell::Gru => Ok(vec![input.try_gru_cell(&state[0], weight, bias)?]),
            Cell::RnnTanh => Ok(vec![input.try_rnn_tanh_cell(&state[0], weight, bias)?]),
            Cell::RnnRelu => Ok(vec![input.try_rnn_relu_cell(&state[0], weight, bias)?]),
        };
        let (y, last) = self.walk().along(&x[0], x[1..1 + states].to_vec(), step).unwrap_or_else(|e| e.raise());
        Some([y].into_iter().chain(last).collect())
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        let (states, hidden) = (self.states(), x.meta(1).shape[1]);
        let (operator, gates): (_, &[usize]) = match self.cell {
            Cell::Lstm => ("LSTM", &[0, 3, 1, 2]),
            Cell::Gru => ("GRU", &[1, 0, 2]),
            Cell::RnnTanh | Cell::RnnRelu => ("RNN", &[0]),
        };
        let [first, second, width] = x.meta(0).shape[..] else { unreachable!("three axes") };
        let (batch, steps) = if self.axis == 1 { (first, second) } else { (second, first) };
        let dtype = x.meta(0).dtype;
        let (inputs, weight, bias) = product(x).unwrap_or_else(|| {
            let identity = Tensor::eye(width).to_dtype(dtype);
            (x.input(0), x.constant(&identity), None)
        });
        let inputs = if self.axis == 1 { x.transpose(inputs, &[1, 0, 2]) } else { inputs };
        // The rows of the gates in the order that ONNX has them in, for the only direction.
        let rows = gates.iter().flat_map(|gate| (gate * hidden..(gate + 1) * hidden).map(|row| row as i64)).collect();
        let rows = x.constant(&Tensor::from_vec(rows, [1, width]));
        let ordered = |value: Value| x.node("Gather", &[value, rows], &[]);
        let bias = match (bias, x.inputs().get(2 + states)) {
            (None, None) => Value::OMITTED,
            (ours, theirs) => {
                let nothing = || x.constant(&Tensor::full_with([1, width], 0, dtype));
                let parts = [ours, theirs.copied()].map(|bias| bias.map_or_else(nothing, ordered));
                x.node("Concat", &parts, &[("axis", 1usize.into())])
            }
        };
        let lengths = self.lengths.as_ref().map_or(Value::OMITTED, |lengths| {
            let lengths: Vec<i32> = lengths.iter().map(|&length| length as i32).collect();
            x.constant(&Tensor::from_slice(&lengths))
        });
        let mut given = vec![inputs, ordered(weight), ordered(x.input(1 + states)), bias, lengths];
        given.extend((1..1 + states).map(|i| x.reshape(x.input(i), &[1, batch, hidden])));
        let direction = if self.backwards { "reverse" } else { "forward" };
        let mut attributes = vec![("hidden_size", hidden.into()), ("direction", direction.into())];
        match self.cell {
            Cell::Gru => attributes.push(("linear_before_reset", true.into())),
            Cell::RnnRelu => attributes.push(("activations", Attribute::Texts(vec!["Relu"]))),
            Cell::Lstm | Cell::RnnTanh => (),
        }
        let made = x.nodes(operator, &given, &attributes, 1 + states);
        // `[steps, 1, batch, hidden]` and `[1, batch, hidden]`.
        let y = match self.axis {
            1 => x.reshape(x.transpose(made[0], &[2, 0, 1, 3]), &[batch, steps, hidden]),
            _ => x.reshape(made[0], &[steps, batch, hidden]),
        };
        Ok([y].into_iter().chain(made[1..].iter().map(|&state| x.reshape(state, &[batch, hidden]))).collect())
    }
}

/// For ONNX: the inputs, weight and bias whose `linear` is input 0, if it is.
fn product(x: &Writer) -> Option<(Value, Value, Option<Value>)> {
    let (product, bias) = match x.made_by(x.input(0), "Add") {
        Some(sum) => (sum[0], Some(sum[1])),
        None => (x.input(0), None),
    };
    let factors = x.made_by(product, "MatMul")?;
    let weight = x.made_by(factors[1], "Transpose")?[0];
    let vector = |bias: Option<Value>| bias.is_none_or(|bias| x.known(bias).is_some_and(|meta| meta.shape.rank() == 1));
    (x.known(weight).is_some_and(|meta| meta.shape.rank() == 2) && vector(bias)).then_some((factors[0], weight, bias))
}

/// `kept, y, hidden (, memory), W_hh, ∂y, ∂hidden (, ∂memory) → ∂x, ∂hidden (, ∂memory), ∂W_hh (, ∂b_hh)`
#[derive(Debug)]
struct RecurrenceGrad {
    forward: Recurrence,
    bias: bool,
}

impl RecurrenceGrad {
    fn backward<T: Element + RecurrentElement>(&self, x: &[Input], y: &mut [Output]) {
        let states = self.forward.states();
        let sequences = self.forward.sequences(x[1].shape(), x[1].shape()[2]);
        let memory = (states == 2).then(|| [3, 7].map(|i| x[i].contiguous::<T>()));
        let [memory, d_memory] = memory.as_ref().map_or([&[][..]; 2], |memory| memory.each_ref().map(|m| &m[..]));
        let from = Kept {
            kept: &x[0].contiguous::<T>(),
            y: &x[1].contiguous::<T>(),
            hidden: &x[2].contiguous::<T>(),
            memory,
            weight: &x[2 + states].contiguous::<T>(),
            dy: &x[3 + states].contiguous::<T>(),
            d_hidden: &x[4 + states].contiguous::<T>(),
            d_memory,
        };
        let [dx, hidden, rest @ ..] = y else { unreachable!("three outputs at least") };
        let (memory, rest) = rest.split_at_mut(states - 1);
        let memory = memory.first_mut().map(|memory| memory.slice::<T>()).unwrap_or_default();
        let [weight, bias @ ..] = rest else { unreachable!("the weight has a gradient") };
        let bias = bias.first_mut().map(|bias| bias.slice::<T>());
        let to = Gradients { x: dx.slice(), hidden: hidden.slice(), memory, weight: weight.slice(), bias };
        backward(self.forward.cell, &sequences, from, to);
    }
}

impl Op for RecurrenceGrad {
    fn name(&self) -> &'static str {
        self.forward.name
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        let states = self.forward.states();
        let weight = &x[2 + states];
        let [first, second, _] = x[1].shape[..] else { unreachable!("three axes") };
        let width = weight.shape[0];
        let metas = [x[1].with_shape([first, second, width])].into_iter().chain(x[2..3 + states].iter().cloned());
        Ok(metas.chain(self.bias.then(|| weight.with_shape(width))).collect())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(reals x[0].dtype(), T => self.backward::<T>(x, y));
    }

    /// One product for the gradient of the states, one for that of the weight.
    fn flops(&self, x: &[Meta], y: &[Meta]) -> u64 {
        4 * (y[0].shape.elements() * x[2].shape[1]) as u64
    }

    fn grad(&self, _: &Grad) -> Grads {
        unreachable!("a gradient that is differentiated again comes from `decompose`")
    }
}

/// The outputs of all steps, and the state after the last. Half-precision tensors are computed with in `f32`.
pub(super) fn unroll(
    name: &'static str,
    cell: Cell,
    x: &Tensor,
    state: &[&Tensor],
    [weight, bias]: [Option<&Tensor>; 2],
    walk: &Walk,
) -> Result<Vec<Tensor>> {
    if walk.axis > 1 {
        return Err(Error::op(name, format!("counts steps on axis 0 or 1, got axis {}", walk.axis)));
    }
    let dtype = x.dtype();
    let wide = |t: &Tensor| if t.dtype() == dtype { t.try_to_dtype(dtype.compute()) } else { Ok(t.clone()) };
    let inputs = [x].into_iter().chain(state.iter().copied()).chain(weight).chain(bias);
    let inputs = inputs.map(wide).collect::<Result<Vec<_>>>()?;
    let &Walk { axis, backwards, lengths } = walk;
    let keep = grad::enabled() && inputs.iter().any(Tensor::has_grad);
    let op = Recurrence { name, cell, axis, backwards, lengths: lengths.map(<[usize]>::to_vec), keep };
    let outputs = apply_all(op, &inputs.iter().collect::<Vec<_>>())?;
    outputs[..1 + state.len()].iter().map(|t| t.try_to_dtype(dtype)).collect()
}

/// `x·W_ihᵀ + b_ih + hidden·W_hhᵀ + b_hh` of one step.
pub(super) fn sums(x: &Tensor, hidden: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    x.try_add(hidden.try_linear(weight, bias)?)
}

pub(crate) fn cases() -> Cases {
    // With weights of 1 and positive numbers, a plain network with ReLU adds up.
    let x = Tensor::from([[[1.0f64], [2.0], [4.0]], [[8.0], [16.0], [32.0]]]);
    let y = Tensor::from([[[13.0f64], [12.0], [10.0]], [[38.0], [30.0], [0.0]]]);
    let last = Tensor::from([[13.0f64], [38.0]]);
    Cases::new("recurrence", |_, x| {
        let walk = Walk { axis: 1, backwards: true, lengths: Some(&[3, 2]) };
        let (y, last) = x[0].rnn_relu(&x[1], &x[2], None, &walk);
        vec![y, last]
    })
    .with(
        "sums_of_sequences_from_the_end",
        "{}",
        &[x, Tensor::from([[6.0f64], [14.0]]), Tensor::from([[1.0f64]])],
        &[y, last],
    )
}

#[cfg(test)]
mod tests {
    use super::Walk;
    use crate::{DType, Tensor};

    const PLAIN: Walk = Walk { axis: 1, backwards: false, lengths: None };

    #[test]
    fn mistakes_are_explained() {
        let zeros = |shape: &[usize]| Tensor::zeros(shape);
        let text = |x: &[usize], state: &[usize], weight: &[usize], walk: &Walk| {
            zeros(x).try_gru(&zeros(state), &zeros(weight), None, walk).unwrap_err().to_string()
        };
        assert_eq!(text(&[2, 12], &[2, 4], &[12, 4], &PLAIN), "gru needs inputs [batch, steps, 3·hidden], got [2, 12]");
        assert_eq!(
            text(&[2, 5, 13], &[2, 4], &[12, 4], &Walk { axis: 0, ..PLAIN }),
            "gru needs inputs [steps, batch, 3·hidden], got 13 features (input [2, 5, 13])"
        );
        assert_eq!(
            text(&[2, 5, 12], &[5, 4], &[12, 4], &PLAIN),
            "gru needs a state of shape [2, 4], got [5, 4] (input [2, 5, 12])"
        );
        assert_eq!(
            text(&[2, 5, 12], &[2, 4], &[4, 12], &PLAIN),
            "gru needs a recurrent weight of shape [12, 4], got [4, 12] (input [2, 5, 12])"
        );
        assert_eq!(
            text(&[2, 5, 12], &[2, 4], &[12, 4], &Walk { lengths: Some(&[5, 6]), ..PLAIN }),
            "gru needs 2 lengths of at most 5, got [5, 6]"
        );
        assert_eq!(
            text(&[2, 5, 12], &[2, 4], &[12, 4], &Walk { axis: 2, ..PLAIN }),
            "gru counts steps on axis 0 or 1, got axis 2"
        );
        let wide = zeros(&[2, 4]).to_dtype(DType::F64);
        let error = zeros(&[2, 5, 12]).try_gru(&wide, &zeros(&[12, 4]), None, &PLAIN).unwrap_err().to_string();
        assert_eq!(error, "gru got f32 and f64 tensors: convert one with .to_dtype(DType::F32)");
    }

    #[test]
    fn half_precision_is_computed_in_single() {
        let [x, state, weight] = [[1, 2, 3].into(), crate::Shape::from([1, 1]), [3, 1].into()].map(Tensor::ones);
        let half = |t: &Tensor| t.to_dtype(DType::BF16);
        let (y, _) = half(&x).gru(&half(&state), &half(&weight), None, &PLAIN);
        let (exact, _) = x.gru(&state, &weight, None, &PLAIN);
        assert_eq!(y.to_dtype(DType::F32).to_vec::<f32>(), half(&exact).to_dtype(DType::F32).to_vec::<f32>());
    }
}
