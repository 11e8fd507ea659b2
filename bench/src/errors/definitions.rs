//! The definitions of what kernels compute, one number after the other: `[rows, columns]` and the like as flat lists.

use super::tape::{Number, Tape};

pub type Numbers = Vec<Number>;

/// `[m, k] · [k, n]`, plus a bias of `n` if there is one.
pub fn matmul(t: &mut Tape, [m, k, n]: [usize; 3], a: &[Number], b: &[Number], bias: Option<&[Number]>) -> Numbers {
    let mut y = Vec::with_capacity(m * n);
    for (i, j) in (0..m).flat_map(|i| (0..n).map(move |j| (i, j))) {
        let sum = t.dot((0..k).map(|s| (a[i * k + s], b[s * n + j])));
        y.push(bias.map_or(sum, |bias| t.add(sum, bias[j])));
    }
    y
}

/// A convolution of square images with square kernels, or a mean pooling.
#[derive(Clone, Copy)]
pub struct Planes {
    pub batch: usize,
    /// Of the input, of the output.
    pub channels: [usize; 2],
    pub groups: usize,
    pub size: usize,
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
}

impl Planes {
    pub fn output(&self) -> usize {
        (self.size + 2 * self.padding - self.kernel) / self.stride + 1
    }

    /// Calls `visit` for each output, with image, channel, and the window's elements that are inside: their number in the
    /// kernel and their place in the plane.
    fn windows(&self, mut visit: impl FnMut(usize, usize, &[(usize, usize)])) {
        let (outputs, mut inside) = (self.output(), Vec::new());
        for at in 0..self.batch * self.channels[1] * outputs * outputs {
            let (image, channel) =
                (at / (self.channels[1] * outputs * outputs), at / (outputs * outputs) % self.channels[1]);
            let (row, column) = (at / outputs % outputs * self.stride, at % outputs * self.stride);
            inside.clear();
            for k in 0..self.kernel * self.kernel {
                let (y, x) = (row + k / self.kernel, column + k % self.kernel);
                let range = self.padding..self.size + self.padding;
                if range.contains(&y) && range.contains(&x) {
                    inside.push((k, (y - self.padding) * self.size + x - self.padding));
                }
            }
            visit(image, channel, &inside);
        }
    }

    /// `weight [outputs, inputs / groups, kernel, kernel]`
    pub fn convolution(&self, t: &mut Tape, x: &[Number], weight: &[Number]) -> Numbers {
        let (inputs, outputs) = (self.channels[0] / self.groups, self.channels[1] / self.groups);
        let (plane, window) = (self.size * self.size, self.kernel * self.kernel);
        let mut y = Vec::new();
        self.windows(|image, channel, inside| {
            let first = image * self.channels[0] + channel / outputs * inputs;
            let products = (0..inputs).flat_map(|c| {
                inside
                    .iter()
                    .map(move |&(k, at)| (x[(first + c) * plane + at], weight[(channel * inputs + c) * window + k]))
            });
            y.push(t.dot(products));
        });
        y
    }

    /// The transposed convolution, from outputs to inputs; `weight` as above.
    pub fn transposed(&self, t: &mut Tape, y: &[Number], weight: &[Number]) -> Numbers {
        let (inputs, outputs) = (self.channels[0] / self.groups, self.channels[1] / self.groups);
        let (plane, window) = (self.size * self.size, self.kernel * self.kernel);
        let mut products = vec![Vec::new(); self.batch * self.channels[0] * plane];
        let mut y = y.iter();
        self.windows(|image, channel, inside| {
            let (first, &y) = (image * self.channels[0] + channel / outputs * inputs, y.next().expect("an output"));
            for c in 0..inputs {
                for &(k, at) in inside {
                    products[(first + c) * plane + at].push((y, weight[(channel * inputs + c) * window + k]));
                }
            }
        });
        products.into_iter().map(|products| t.dot(products)).collect()
    }

    /// Padding counts as zeros.
    pub fn mean_pooling(&self, t: &mut Tape, x: &[Number]) -> Numbers {
        let mut y = Vec::new();
        self.windows(|image, channel, inside| {
            let start = (image * self.channels[0] + channel) * self.size * self.size;
            let sum = t.sum(inside.iter().map(|&(_, at)| x[start + at]));
            y.push(t.scaled(sum, 1.0 / (self.kernel * self.kernel) as f64));
        });
        y
    }
}

/// A convolution of cubes `[batch, inputs, size, size, size]` with cubes `[outputs, inputs, kernel, kernel, kernel]`,
/// without padding.
pub fn volumes(
    t: &mut Tape,
    [batch, inputs, outputs, size, kernel]: [usize; 5],
    x: &[Number],
    weight: &[Number],
) -> Numbers {
    let reach = size - kernel + 1;
    let at = |i: usize, side: usize| [i / (side * side), i / side % side, i % side];
    let flat = |[z, y, x]: [usize; 3], side: usize| (z * side + y) * side + x;
    let mut y = Vec::new();
    for (image, output) in (0..batch).flat_map(|image| (0..outputs).map(move |output| (image, output))) {
        for place in 0..reach * reach * reach {
            let place = at(place, reach);
            let products =
                (0..inputs).flat_map(|c| (0..kernel * kernel * kernel).map(move |k| (c, k))).map(|(c, k)| {
                    let steps = at(k, kernel);
                    let from = flat(std::array::from_fn(|d| place[d] + steps[d]), size);
                    let (volume, window) = (size * size * size, kernel * kernel * kernel);
                    (x[(image * inputs + c) * volume + from], weight[(output * inputs + c) * window + k])
                });
            y.push(t.dot(products));
        }
    }
    y
}

/// Of each row; with the logarithm of the sum instead if `log`.
pub fn softmax(t: &mut Tape, x: &[Number], columns: usize, log: bool) -> Numbers {
    let mut y = Vec::new();
    for row in x.chunks(columns) {
        // The largest is a constant: it cancels.
        let largest = row.iter().map(|&x| t.value(x)).fold(f64::NEG_INFINITY, f64::max);
        let below: Numbers = row.iter().map(|&x| t.plus(x, -largest)).collect();
        let powers: Numbers = below.iter().map(|&x| t.exp(x)).collect();
        let sum = t.sum(powers.iter().copied());
        if log {
            let sum = t.ln(sum);
            y.extend(below.iter().map(|&x| t.sub(x, sum)));
        } else {
            y.extend(powers.iter().map(|&p| t.div(p, sum)));
        }
    }
    y
}

/// The mean of `-log_softmax` at the targets.
pub fn cross_entropy(t: &mut Tape, x: &[Number], columns: usize, targets: &[i64]) -> Number {
    let logs = softmax(t, x, columns, true);
    let chosen: Numbers = targets.iter().enumerate().map(|(i, &target)| logs[i * columns + target as usize]).collect();
    let sum = t.sum(chosen);
    t.scaled(sum, -1.0 / targets.len() as f64)
}

/// The mean, in one pass over the numbers.
pub fn mean(t: &mut Tape, x: &[Number]) -> Number {
    let sum = t.sum(x.iter().copied());
    t.scaled(sum, 1.0 / x.len() as f64)
}

/// The mean square distance to the mean, times `factor`; and the distances.
pub fn variance(t: &mut Tape, x: &[Number], divisor: f64) -> (Number, Numbers) {
    let mean = mean(t, x);
    let distances: Numbers = x.iter().map(|&x| t.sub(x, mean)).collect();
    let squares = t.dot(distances.iter().map(|&d| (d, d)));
    (t.scaled(squares, 1.0 / divisor), distances)
}

/// Numbers with mean 0 and variance 1, or only divided by their root mean square.
pub fn normalized(t: &mut Tape, x: &[Number], centered: bool, eps: f64) -> Numbers {
    let (variance, distances) = match centered {
        true => variance(t, x, x.len() as f64),
        false => {
            let squares = t.dot(x.iter().map(|&x| (x, x)));
            (t.scaled(squares, 1.0 / x.len() as f64), x.to_vec())
        }
    };
    let variance = t.plus(variance, eps);
    let deviation = t.sqrt(variance);
    distances.iter().map(|&d| t.div(d, deviation)).collect()
}

/// `y · weight + bias`, whose numbers `channel` chooses for an index.
pub fn affine(
    t: &mut Tape,
    y: &[Number],
    channel: impl Fn(usize) -> usize,
    weight: &[Number],
    bias: &[Number],
) -> Numbers {
    let scaled = |(i, &y): (usize, &Number)| {
        let product = t.mul(y, weight[channel(i)]);
        t.add(product, bias[channel(i)])
    };
    y.iter().enumerate().map(scaled).collect()
}

/// `softmax(q·kᵀ / √width) · v` of one head: `[queries, width]`, `[keys, width]` twice.
pub fn attention(t: &mut Tape, q: &[Number], k: &[Number], v: &[Number], width: usize, causal: bool) -> Numbers {
    let mut y = Vec::new();
    for (i, query) in q.chunks(width).enumerate() {
        let seen = if causal { i + 1 } else { k.len() / width };
        let score = |key: &[Number]| {
            let product = t.dot(query.iter().copied().zip(key.iter().copied()));
            t.scaled(product, 1.0 / (width as f64).sqrt())
        };
        let scores: Numbers = k.chunks(width).take(seen).map(score).collect();
        let weights = softmax(t, &scores, seen, false);
        y.extend((0..width).map(|c| t.dot((0..seen).map(|j| (weights[j], v[j * width + c])))));
    }
    y
}

/// All outputs `[batch, steps, hidden]` of an LSTM or a GRU that starts with zeros, of its inputs' part of the gates
/// `[batch, steps, gates · hidden]`.
pub fn recurrence(
    t: &mut Tape,
    sizes: [usize; 3],
    lstm: bool,
    x: &[Number],
    weight: &[Number],
    bias: &[Number],
) -> Numbers {
    let [batch, steps, hidden] = sizes;
    let gates = if lstm { 4 } else { 3 };
    let mut y = Vec::new();
    for sequence in 0..batch {
        let mut state: Numbers = (0..hidden).map(|_| t.leaf(0.0)).collect();
        let mut memory = state.clone();
        for step in 0..steps {
            let given = &x[(sequence * steps + step) * gates * hidden..][..gates * hidden];
            let own: Numbers = (0..gates * hidden)
                .map(|row| {
                    let sum = t.dot((0..hidden).map(|u| (state[u], weight[row * hidden + u])));
                    t.add(sum, bias[row])
                })
                .collect();
            let sums: Numbers = (0..gates * hidden).map(|row| t.add(given[row], own[row])).collect();
            for u in 0..hidden {
                let gate = |t: &mut Tape, number: usize| t.sigmoid(sums[number * hidden + u]);
                if lstm {
                    let (i, f, o) = (gate(t, 0), gate(t, 1), gate(t, 3));
                    let g = t.tanh(sums[2 * hidden + u]);
                    let (kept, fresh) = (t.mul(f, memory[u]), t.mul(i, g));
                    memory[u] = t.add(kept, fresh);
                    let squashed = t.tanh(memory[u]);
                    state[u] = t.mul(o, squashed);
                } else {
                    let (r, z) = (gate(t, 0), gate(t, 1));
                    let own = t.mul(r, own[2 * hidden + u]);
                    let sum = t.add(given[2 * hidden + u], own);
                    let fresh = t.tanh(sum);
                    let change = t.sub(state[u], fresh);
                    let change = t.mul(z, change);
                    state[u] = t.add(fresh, change);
                }
            }
            y.extend_from_slice(&state);
        }
    }
    y
}

/// Parameters after steps of `v ← momentum·v + g`, `p ← p − lr·v`; a row of gradients for each step.
pub fn sgd(t: &mut Tape, p: &[Number], gradients: &[Number], lr: f64, momentum: f64) -> Numbers {
    let (mut p, mut v) = (p.to_vec(), Numbers::new());
    for (step, gradients) in gradients.chunks(p.len()).enumerate() {
        for (i, &g) in gradients.iter().enumerate() {
            if step == 0 {
                v.push(g);
            } else {
                let kept = t.scaled(v[i], momentum);
                v[i] = t.add(kept, g);
            }
            let change = t.scaled(v[i], lr);
            p[i] = t.sub(p[i], change);
        }
    }
    p
}

/// Parameters after steps of Adam, each shrunk by `decay` before.
pub fn adam(t: &mut Tape, p: &[Number], gradients: &[Number], lr: f64, decay: f64) -> Numbers {
    let (beta1, beta2, mut p) = (0.9, 0.999, p.to_vec());
    let zero = t.leaf(0.0);
    let [mut m, mut v] = [vec![zero; p.len()], vec![zero; p.len()]];
    for (step, gradients) in (1..).zip(gradients.chunks(p.len())) {
        let (size, correction) = (lr / (1.0 - f64::powi(beta1, step)), (1.0 - f64::powi(beta2, step)).sqrt());
        for (i, &g) in gradients.iter().enumerate() {
            let (kept, fresh) = (t.scaled(m[i], beta1), t.scaled(g, 1.0 - beta1));
            m[i] = t.add(kept, fresh);
            let square = t.mul(g, g);
            let (kept, fresh) = (t.scaled(v[i], beta2), t.scaled(square, 1.0 - beta2));
            v[i] = t.add(kept, fresh);
            let root = t.sqrt(v[i]);
            let root = t.scaled(root, 1.0 / correction);
            let divisor = t.plus(root, 1e-8);
            let quotient = t.div(m[i], divisor);
            let change = t.scaled(quotient, size);
            let shrunk = t.scaled(p[i], 1.0 - lr * decay);
            p[i] = t.sub(shrunk, change);
        }
    }
    p
}
