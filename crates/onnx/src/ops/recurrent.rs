//! Networks along sequences: RNN, LSTM and GRU.
//!
//! The usual ones run in Hadal's own recurrent kernels; other activations, peepholes and clipping step by step.

use super::prelude::*;
use hadal_core::Walk;

pub(super) const OPERATORS: &[Operator] = &[
    op("GRU", 7, With(|node| recurrent(node, Kind::Gru))),
    op("LSTM", 7, With(|node| recurrent(node, Kind::Lstm))),
    op("RNN", 7, With(|node| recurrent(node, Kind::Rnn))),
];

#[derive(Clone, Copy, PartialEq, Debug)]
enum Kind {
    Rnn,
    Lstm,
    Gru,
}

impl Kind {
    fn gates(self) -> usize {
        match self {
            Kind::Rnn => 1,
            Kind::Gru => 3,
            Kind::Lstm => 4,
        }
    }

    fn default_activations(self) -> &'static [&'static str] {
        match self {
            Kind::Rnn => &["Tanh"],
            Kind::Gru => &["Sigmoid", "Tanh"],
            Kind::Lstm => &["Sigmoid", "Tanh", "Tanh"],
        }
    }

    /// The order in which Hadal, as PyTorch, has the gates.
    fn order(self) -> &'static [usize] {
        match self {
            Kind::Rnn => &[0],
            Kind::Gru => &[1, 0, 2],
            Kind::Lstm => &[0, 2, 3, 1],
        }
    }
}

/// A function with its two parameters.
#[derive(Clone, Debug, PartialEq)]
struct Activation {
    name: String,
    alpha: f64,
    beta: f64,
}

impl Activation {
    /// The function of this name, and its parameters if none are given.
    fn named(name: &str) -> Result<Activation> {
        let name = name.to_lowercase();
        let (alpha, beta) = match &name[..] {
            "relu" | "tanh" | "sigmoid" | "softsign" | "softplus" => (0.0, 0.0),
            "affine" => (1.0, 0.0),
            "leakyrelu" => (0.01, 0.0),
            "thresholdedrelu" | "elu" => (1.0, 0.0),
            "scaledtanh" => (1.0, 1.0),
            "hardsigmoid" => (0.2, 0.5),
            _ => return invalid(format!("the activation `{}` is unknown", crate::decode::printable(&name))),
        };
        Ok(Activation { name, alpha, beta })
    }

    /// How many parameters the function has.
    fn parameters(&self) -> usize {
        match &self.name[..] {
            "affine" | "scaledtanh" | "hardsigmoid" => 2,
            "leakyrelu" | "thresholdedrelu" | "elu" => 1,
            _ => 0,
        }
    }

    fn of(&self, x: &Tensor) -> Result<Tensor> {
        let (alpha, beta) = (self.alpha, self.beta);
        match &self.name[..] {
            "relu" => x.try_relu(),
            "tanh" => x.try_tanh(),
            "sigmoid" => x.try_sigmoid(),
            "softsign" => x.try_softsign(),
            "softplus" => x.try_softplus(),
            "affine" => x.try_mul(alpha)?.try_add(beta),
            "leakyrelu" => x.try_leaky_relu(alpha),
            "thresholdedrelu" => x.try_threshold(alpha, 0.0),
            "elu" => x.try_elu_with(alpha),
            "scaledtanh" => x.try_mul(beta)?.try_tanh()?.try_mul(alpha),
            _ => x.try_mul(alpha)?.try_add(beta)?.try_clamp(0.0, 1.0),
        }
    }
}

/// What all directions of a node have in common.
struct Layer {
    kind: Kind,
    clip: Option<f64>,
    /// The forget gate is what the input gate leaves.
    coupled: bool,
    /// The reset gate works on the product with the weights, not before it.
    reset_after: bool,
}

/// The weights of one direction, with gates in ONNX' order.
struct Weights {
    input: Tensor,
    recurrent: Tensor,
    input_bias: Option<Tensor>,
    recurrent_bias: Option<Tensor>,
    peepholes: Option<Tensor>,
}

fn recurrent(node: &Node, kind: Kind) -> Result<Run> {
    let directions: &[bool] = match node.choice("direction", &["forward", "reverse", "bidirectional"], "forward")? {
        0 => &[false],
        1 => &[true],
        _ => &[false, true],
    };
    let activations = activations(node, kind, directions.len())?;
    let layer = Layer {
        kind,
        clip: node.float("clip")?,
        coupled: node.flag("input_forget")?,
        reset_after: node.flag("linear_before_reset")?,
    };
    let batch_first = node.flag("layout")?;
    run(move |x| {
        let input = x.tensor(0)?;
        let input = if batch_first { input.try_transpose(0, 1)? } else { input.clone() };
        let [_, batch, _] = input.shape()[..] else { return invalid("inputs of three axes are needed") };
        let hidden = x.tensor(2)?.size(-1);
        let lengths = x.optional(4)?.map(|_| sizes_of(&x.ints(4)?)).transpose()?;
        let initial = |i: usize, direction: usize| match x.optional(i)? {
            Some(state) => state.try_select(if batch_first { 1 } else { 0 }, direction as isize),
            None => Ok(Tensor::zeros_with([batch, hidden], input.dtype())),
        };
        let (mut outputs, mut last, mut cells) = (Vec::new(), Vec::new(), Vec::new());
        for (number, &backwards) in directions.iter().enumerate() {
            let of = |i: usize| x.optional(i)?.map(|t| t.try_select(0, number as isize)).transpose();
            let bias = of(3)?.map(|b| b.try_chunk(2, 0)).transpose()?;
            let part = |k: usize| bias.as_ref().and_then(|b| b.get(k).cloned());
            let weights = Weights {
                input: x.tensor(1)?.try_select(0, number as isize)?,
                recurrent: x.tensor(2)?.try_select(0, number as isize)?,
                input_bias: part(0),
                recurrent_bias: part(1),
                peepholes: if kind == Kind::Lstm { of(7)? } else { None },
            };
            let mut state = vec![initial(5, number)?];
            if kind == Kind::Lstm {
                state.push(initial(6, number)?);
            }
            let walk = Walk { axis: 0, backwards, lengths: lengths.as_deref() };
            let (y, state) = layer.run(&input, state, &weights, &activations[number], &walk)?;
            outputs.push(y);
            last.push(state[0].clone());
            cells.extend(state.get(1).cloned());
        }
        // [steps, directions, batch, hidden], or [batch, steps, directions, hidden]
        let y = Tensor::try_stack(&outputs, 1)?;
        let y = if batch_first { y.try_permute([2, 0, 1, 3])? } else { y };
        let states = |s: &[Tensor]| Tensor::try_stack(s, if batch_first { 1 } else { 0 });
        let mut values = vec![y.into(), states(&last)?.into()];
        if kind == Kind::Lstm {
            values.push(states(&cells)?.into());
        }
        Ok(values)
    })
}

/// The functions of each direction. Parameters are given in the order of the functions that have any.
fn activations(node: &Node, kind: Kind, directions: usize) -> Result<Vec<Vec<Activation>>> {
    let each = kind.default_activations();
    let names = match node.strings("activations")? {
        Some(names) => names,
        None => (0..directions).flat_map(|_| each.iter().map(|n| n.to_string())).collect(),
    };
    // RNN lists two by default, also for one direction.
    if names.len() < each.len() * directions {
        return Err(
            node.wrong("activations", format!("has {} functions; {} are needed", names.len(), each.len() * directions))
        );
    }
    let alphas = node.floats("activation_alpha")?.unwrap_or_default();
    let betas = node.floats("activation_beta")?.unwrap_or_default();
    let (mut alphas, mut betas) = (alphas.into_iter(), betas.into_iter());
    let mut all = Vec::new();
    for name in &names[..each.len() * directions] {
        let mut activation = Activation::named(name)?;
        if activation.parameters() >= 1 {
            activation.alpha = alphas.next().unwrap_or(activation.alpha);
        }
        if activation.parameters() == 2 {
            activation.beta = betas.next().unwrap_or(activation.beta);
        }
        all.push(activation);
    }
    Ok(all.chunks(each.len()).map(<[_]>::to_vec).collect())
}

impl Layer {
    fn run(
        &self,
        input: &Tensor,
        state: Vec<Tensor>,
        weights: &Weights,
        activations: &[Activation],
        walk: &Walk,
    ) -> Result<(Tensor, Vec<Tensor>)> {
        match self.is_usual(weights, activations) {
            true => self.kernel(input, &state, weights, activations, walk),
            false => self.steps(input, state, weights, activations, walk),
        }
    }

    /// Whether Hadal has a kernel for the cell.
    fn is_usual(&self, weights: &Weights, activations: &[Activation]) -> bool {
        let names: Vec<&str> = activations.iter().map(|a| &a.name[..]).collect();
        let known = match self.kind {
            Kind::Rnn => names == ["tanh"] || names == ["relu"],
            Kind::Gru => names == ["sigmoid", "tanh"] && self.reset_after,
            Kind::Lstm => names == ["sigmoid", "tanh", "tanh"] && !self.coupled && weights.peepholes.is_none(),
        };
        known && self.clip.is_none()
    }

    fn kernel(
        &self,
        input: &Tensor,
        state: &[Tensor],
        weights: &Weights,
        activations: &[Activation],
        walk: &Walk,
    ) -> Result<(Tensor, Vec<Tensor>)> {
        let reordered = |t: &Tensor| {
            let gates = t.try_chunk(self.kind.gates(), 0)?;
            let order = self.kind.order();
            match gates.len() == order.len() {
                true => Tensor::try_cat(&order.iter().map(|&g| &gates[g]).collect::<Vec<_>>(), 0),
                false => invalid(format!("weights of shape {} do not hold {} gates", t.shape(), order.len())),
            }
        };
        let optional = |t: &Option<Tensor>| t.as_ref().map(reordered).transpose();
        let (bias, weight) = (optional(&weights.recurrent_bias)?, reordered(&weights.recurrent)?);
        let x = input.try_linear(&reordered(&weights.input)?, optional(&weights.input_bias)?.as_ref())?;
        let bias = bias.as_ref();
        Ok(match self.kind {
            Kind::Lstm => {
                let (y, hidden, cell) = x.try_lstm(&state[0], &state[1], &weight, bias, walk)?;
                (y, vec![hidden, cell])
            }
            Kind::Gru => {
                let (y, hidden) = x.try_gru(&state[0], &weight, bias, walk)?;
                (y, vec![hidden])
            }
            Kind::Rnn if activations[0].name == "relu" => {
                let (y, hidden) = x.try_rnn_relu(&state[0], &weight, bias, walk)?;
                (y, vec![hidden])
            }
            Kind::Rnn => {
                let (y, hidden) = x.try_rnn_tanh(&state[0], &weight, bias, walk)?;
                (y, vec![hidden])
            }
        })
    }

    fn steps(
        &self,
        input: &Tensor,
        state: Vec<Tensor>,
        weights: &Weights,
        activations: &[Activation],
        walk: &Walk,
    ) -> Result<(Tensor, Vec<Tensor>)> {
        let x = input.try_linear(&weights.input, weights.input_bias.as_ref())?;
        walk.along(&x, state, |x, state| match self.kind {
            Kind::Rnn => {
                let sum = x.try_add(state[0].try_linear(&weights.recurrent, weights.recurrent_bias.as_ref())?)?;
                Ok(vec![activations[0].of(&self.clipped(sum)?)?])
            }
            Kind::Gru => Ok(vec![self.gru_step(x, &state[0], weights, activations)?]),
            Kind::Lstm => self.lstm_step(x, &state[0], &state[1], weights, activations),
        })
    }

    fn clipped(&self, x: Tensor) -> Result<Tensor> {
        match self.clip {
            Some(clip) => x.try_clamp(-clip, clip),
            None => Ok(x),
        }
    }

    /// Gates z, r, h.
    fn gru_step(&self, x: &Tensor, hidden: &Tensor, weights: &Weights, f: &[Activation]) -> Result<Tensor> {
        let size = hidden.size(-1);
        let split = |t: &Tensor, axis: isize| t.try_split_sizes(&[2 * size, size], axis);
        let (x, weight) = (split(x, -1)?, split(&weights.recurrent, 0)?);
        let bias = weights.recurrent_bias.as_ref().map(|b| split(b, 0)).transpose()?;
        let bias = |k: usize| bias.as_ref().map(|b| &b[k]);
        let gates = self.clipped(x[0].try_add(hidden.try_linear(&weight[0], bias(0))?)?)?;
        let gates = f[0].of(&gates)?.try_chunk(2, -1)?;
        let (update, reset) = (&gates[0], &gates[1]);
        let recurrent = match self.reset_after {
            true => reset.try_mul(hidden.try_linear(&weight[1], bias(1))?)?,
            false => reset.try_mul(hidden)?.try_linear(&weight[1], bias(1))?,
        };
        let new = f[1].of(&self.clipped(x[1].try_add(recurrent)?)?)?;
        new.try_add(update.try_mul(hidden.try_sub(&new)?)?)
    }

    /// Gates i, o, f, c; peepholes of the first three, in this order, look at the cell.
    fn lstm_step(
        &self,
        x: &Tensor,
        hidden: &Tensor,
        cell: &Tensor,
        weights: &Weights,
        f: &[Activation],
    ) -> Result<Vec<Tensor>> {
        let sums = x.try_add(hidden.try_linear(&weights.recurrent, weights.recurrent_bias.as_ref())?)?;
        let sums = sums.try_chunk(4, -1)?;
        let peepholes = weights.peepholes.as_ref().map(|p| p.try_chunk(3, 0)).transpose()?;
        let gate = |k: usize, cell: &Tensor| {
            let sum = match &peepholes {
                Some(peepholes) => sums[k].try_add(peepholes[k].try_mul(cell)?)?,
                None => sums[k].clone(),
            };
            f[0].of(&self.clipped(sum)?)
        };
        let input = gate(0, cell)?;
        let forget = if self.coupled { input.try_neg()?.try_add(1.0)? } else { gate(2, cell)? };
        let candidate = f[1].of(&self.clipped(sums[3].clone())?)?;
        let cell = forget.try_mul(cell)?.try_add(input.try_mul(candidate)?)?;
        let output = gate(1, &cell)?;
        Ok(vec![output.try_mul(f[2].of(&cell)?)?, cell])
    }
}
