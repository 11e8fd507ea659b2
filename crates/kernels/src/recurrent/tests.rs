//! Sequences against plain loops in the definition's order, for every instruction set and number of threads.

use super::arithmetic::Real;
use super::*;
use crate::simd::{Isa, available};
use crate::threads::set_threads;

/// The values that one case is made of, with the same numbers in f32 and f64.
struct Case {
    cell: Cell,
    batch: usize,
    steps: usize,
    hidden: usize,
    batch_first: bool,
    backwards: bool,
    lengths: Option<Vec<usize>>,
}

fn numbers(seed: u64, len: usize) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from(((state >> 40) as f32) / (1u32 << 23) as f32 - 1.0)
    };
    (0..len).map(|_| next()).collect()
}

/// Everything that goes in.
#[derive(Clone)]
struct Inputs<T> {
    x: Vec<T>,
    hidden: Vec<T>,
    memory: Vec<T>,
    weight: Vec<T>,
    bias: Vec<T>,
    dy: Vec<T>,
    d_hidden: Vec<T>,
    d_memory: Vec<T>,
}

/// One of the inputs that have a gradient.
type Part = fn(&mut Inputs<f64>) -> &mut Vec<f64>;

/// `y`, output and memory at the end, then the gradients of `x`, output and memory at the start, weight and bias.
type Results<T> = [Vec<T>; 8];

impl Case {
    fn sequences(&self) -> Sequences<'_> {
        let &Case { batch, steps, hidden, batch_first, backwards, .. } = self;
        Sequences { batch, steps, hidden, batch_first, backwards, lengths: self.lengths.as_deref() }
    }

    fn inputs<T>(&self, of: fn(f64) -> T) -> Inputs<T> {
        let (rows, units) = (self.batch * self.steps * self.hidden, self.batch * self.hidden);
        let gates = self.cell.gates();
        let memory = if self.cell.has_memory() { units } else { 0 };
        let draw = |seed, len, scale: f64| numbers(seed, len).into_iter().map(|x| of(x * scale)).collect();
        let scale = 1.0 / (self.hidden as f64).sqrt();
        Inputs {
            x: draw(1, rows * gates, 2.0),
            hidden: draw(2, units, 1.0),
            memory: draw(3, memory, 1.0),
            weight: draw(4, gates * self.hidden * self.hidden, scale),
            bias: draw(5, gates * self.hidden, 1.0),
            dy: draw(6, rows, 1.0),
            d_hidden: draw(7, units, 1.0),
            d_memory: draw(8, memory, 1.0),
        }
    }

    fn run<T: RecurrentElement>(&self, isa: Isa, of: &Inputs<T>) -> Results<T> {
        let s = self.sequences();
        let zeros = |len| vec![T::ZERO; len];
        let mut kept = zeros(of.dy.len() * self.cell.kept());
        let (mut y, mut hidden, mut memory) = (zeros(of.dy.len()), zeros(of.hidden.len()), zeros(of.memory.len()));
        let (state, weight) = ((&of.hidden[..], &of.memory[..]), &of.weight[..]);
        let from = Forward { x: &of.x, hidden: state.0, memory: state.1, weight, bias: Some(&of.bias) };
        let to = Outputs { y: &mut y, hidden: &mut hidden, memory: &mut memory, kept: &mut kept };
        T::unroll(isa, self.cell, &s, from, to);
        let (mut dx, mut dh, mut dm) = (zeros(of.x.len()), zeros(of.hidden.len()), zeros(of.memory.len()));
        let (mut dw, mut db) = (zeros(of.weight.len()), zeros(of.bias.len()));
        let (hidden0, memory0) = state;
        let (dy, d_hidden, d_memory) = (&of.dy[..], &of.d_hidden[..], &of.d_memory[..]);
        let from = Kept { kept: &kept, y: &y, hidden: hidden0, memory: memory0, weight, dy, d_hidden, d_memory };
        let to = Gradients { x: &mut dx, hidden: &mut dh, memory: &mut dm, weight: &mut dw, bias: Some(&mut db) };
        T::unroll_back(isa, self.cell, &s, from, to);
        [y, hidden, memory, dx, dh, dm, dw, db]
    }

    /// The loss whose gradients are `dy` and so on, by the formulas of [`Cell`] in plain loops, and the first three results.
    fn plain(&self, of: &Inputs<f64>) -> (f64, [Vec<f64>; 3]) {
        let (s, h) = (self.sequences(), self.hidden);
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let (mut y, mut hidden, mut memory) = (vec![0.0; of.dy.len()], of.hidden.clone(), of.memory.clone());
        for b in 0..self.batch {
            for t in (0..self.steps).map(|n| s.step(n)).filter(|&t| s.has(b, t)) {
                let row = s.row(b, t);
                let before = hidden[b * h..(b + 1) * h].to_vec();
                for unit in 0..h {
                    let x = |gate: usize| of.x[row * self.cell.gates() * h + gate * h + unit];
                    let sum = |gate: usize| {
                        let weight = &of.weight[(gate * h + unit) * h..][..h];
                        of.bias[gate * h + unit] + weight.iter().zip(&before).map(|(w, x)| w * x).sum::<f64>()
                    };
                    let both = |gate| x(gate) + sum(gate);
                    let at = b * h + unit;
                    hidden[at] = match self.cell {
                        Cell::Lstm => {
                            memory[at] = sigmoid(both(1)) * memory[at] + sigmoid(both(0)) * both(2).tanh();
                            sigmoid(both(3)) * memory[at].tanh()
                        }
                        Cell::Gru => {
                            let new = (x(2) + sigmoid(both(0)) * sum(2)).tanh();
                            new + sigmoid(both(1)) * (before[unit] - new)
                        }
                        Cell::RnnTanh => both(0).tanh(),
                        Cell::RnnRelu => both(0).max(0.0),
                    };
                }
                y[row * h..(row + 1) * h].copy_from_slice(&hidden[b * h..(b + 1) * h]);
            }
        }
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let loss = dot(&y, &of.dy) + dot(&hidden, &of.d_hidden) + dot(&memory, &of.d_memory);
        (loss, [y, hidden, memory])
    }
}

const CELLS: [Cell; 4] = [Cell::Lstm, Cell::Gru, Cell::RnnTanh, Cell::RnnRelu];

/// Both layouts and directions, with and without lengths.
fn cases(batch: usize, steps: usize, hidden: usize) -> Vec<Case> {
    let lengths: Vec<usize> = (0..batch).map(|b| 1 + (b * 5 + 1) % steps).collect();
    let mut cases = Vec::new();
    for cell in CELLS {
        for (batch_first, backwards) in [(true, false), (false, true)] {
            for lengths in [None, Some(lengths.clone())] {
                cases.push(Case { cell, batch, steps, hidden, batch_first, backwards, lengths });
            }
        }
    }
    cases
}

fn close(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (x, y)) in found.iter().zip(expected).enumerate() {
        assert!((x - y).abs() <= tolerance * y.abs().max(1.0), "{what} {i}: {x}, expected {y}");
    }
}

#[test]
fn values_and_gradients_equal_the_plain_loops() {
    for case in cases(3, 4, 3) {
        let inputs = case.inputs(|x| x);
        let results = case.run(available()[0], &inputs);
        let what = format!("{:?} batch first {} backwards {}", case.cell, case.batch_first, case.backwards);
        let (_, expected) = case.plain(&inputs);
        for (found, expected) in results.iter().zip(&expected) {
            close(found, expected, 1e-12, &what);
        }
        let parts: [Part; 5] = [|i| &mut i.x, |i| &mut i.hidden, |i| &mut i.memory, |i| &mut i.weight, |i| &mut i.bias];
        for (part, found) in parts.iter().zip(&results[3..]) {
            let difference = |at: usize| {
                let loss = |step: f64| {
                    let mut moved = inputs.clone();
                    part(&mut moved)[at] += step;
                    case.plain(&moved).0
                };
                (loss(1e-6) - loss(-1e-6)) / 2e-6
            };
            let expected: Vec<f64> = (0..found.len()).map(difference).collect();
            close(found, &expected, 1e-7, &format!("gradient of {what}"));
        }
    }
}

#[test]
fn single_precision_is_near_double() {
    for case in cases(9, 5, 33) {
        let wide = case.run(available()[0], &case.inputs(|x| x));
        let narrow = case.run(available()[0], &case.inputs(|x| x as f32));
        for (narrow, wide) in narrow.iter().zip(&wide) {
            let narrow: Vec<f64> = narrow.iter().map(|&x| x.into()).collect();
            close(&narrow, wide, 2e-5, &format!("{:?}", case.cell));
        }
    }
}

fn same_bits<T: RecurrentElement + PartialEq + std::fmt::Debug>(case: &Case, of: fn(f64) -> T) {
    let inputs = case.inputs(of);
    let mut seen: Option<Results<T>> = None;
    for isa in available() {
        for threads in [1, 2, 3, 8] {
            set_threads(threads);
            let results = case.run(isa, &inputs);
            // Nothing here is NaN or a negative zero, so equal numbers have equal bits.
            assert_eq!(*seen.get_or_insert_with(|| results.clone()), results, "{:?} {isa:?} {threads}", case.cell);
        }
    }
    set_threads(0);
}

#[test]
fn the_same_bits_on_every_instruction_set_and_for_any_number_of_threads() {
    let (batch, hidden) = if cfg!(miri) { (9, 5) } else { (37, 40) };
    for case in cases(batch, 3, hidden) {
        same_bits(&case, |x| x as f32);
        same_bits(&case, |x| x);
    }
}

/// Sequence `b` of a case, alone.
fn alone<T: Real>(case: &Case, inputs: &Inputs<T>, b: usize) -> (Case, Inputs<T>) {
    let s = case.sequences();
    let rows = |values: &[T], width: usize| {
        (0..case.steps).flat_map(|t| values[s.row(b, t) * width..][..width].to_vec()).collect::<Vec<T>>()
    };
    let states =
        |values: &[T]| if values.is_empty() { Vec::new() } else { values[b * case.hidden..][..case.hidden].to_vec() };
    let one = Inputs {
        x: rows(&inputs.x, case.cell.gates() * case.hidden),
        hidden: states(&inputs.hidden),
        memory: states(&inputs.memory),
        dy: rows(&inputs.dy, case.hidden),
        d_hidden: states(&inputs.d_hidden),
        d_memory: states(&inputs.d_memory),
        ..inputs.clone()
    };
    let lengths = case.lengths.as_ref().map(|lengths| vec![lengths[b]]);
    (Case { batch: 1, lengths, ..*case }, one)
}

#[test]
fn a_sequence_does_not_depend_on_its_neighbours() {
    for case in cases(if cfg!(miri) { 9 } else { 30 }, 4, 17) {
        let inputs = case.inputs(|x| x as f32);
        let together = case.run(available()[0], &inputs);
        let s = case.sequences();
        for b in [0, 8, case.batch - 1] {
            let (one, inputs) = alone(&case, &inputs, b);
            let [y, hidden, memory, dx, dh, dm, ..] = one.run(available()[0], &inputs);
            for (t, y) in y.chunks(case.hidden).enumerate() {
                assert_eq!(*y, together[0][s.row(b, t) * case.hidden..][..case.hidden]);
            }
            let width = case.hidden * case.cell.gates();
            for (t, dx) in dx.chunks(width).enumerate() {
                assert_eq!(*dx, together[3][s.row(b, t) * width..][..width]);
            }
            for (found, all) in [(hidden, &together[1]), (memory, &together[2]), (dh, &together[4]), (dm, &together[5])]
            {
                assert!(found.is_empty() || found == all[b * case.hidden..][..case.hidden]);
            }
        }
    }
}

#[test]
fn no_sequences_and_no_units_are_no_work() {
    for (batch, hidden) in [(0, 4), (3, 0)] {
        for case in cases(batch, 2, hidden) {
            let results = case.run(available()[0], &case.inputs(|x| x as f32));
            assert!(results[..6].iter().all(Vec::is_empty) && results[6].iter().all(|&x| x == 0.0));
        }
    }
}

#[test]
#[should_panic(expected = "a square weight per gate")]
fn a_short_weight_is_named() {
    let s = Sequences { batch: 1, steps: 1, hidden: 2, batch_first: true, backwards: false, lengths: None };
    let from = Forward { x: &[0.0f32; 2], hidden: &[0.0; 2], memory: &[], weight: &[0.0; 3], bias: None };
    let (mut y, mut hidden) = ([0.0; 2], [0.0; 2]);
    forward(Cell::RnnTanh, &s, from, Outputs { y: &mut y, hidden: &mut hidden, memory: &mut [], kept: &mut [] });
}
