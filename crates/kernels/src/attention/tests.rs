//! Attention against its formula in f64, and against itself under other partitions.

use super::*;
use crate::simd::{available, dispatch_on};
use crate::threads::set_threads;

/// One problem: its inputs one after the other, each head's rows among those of the other heads.
struct Case {
    heads: usize,
    queries: usize,
    keys: usize,
    width: usize,
    value_width: usize,
    causal: bool,
    mask: Masked,
}

#[derive(Clone, Copy, PartialEq)]
enum Masked {
    No,
    Seen,
    Added,
}

fn numbers(len: usize, seed: usize) -> Vec<f64> {
    (0..len).map(|i| f64::from(((i * 7919 + seed * 104_729 + 13) % 2003) as f32 / 1001.0 - 1.0)).collect()
}

/// What a pass gives: the result, the logarithms and the gradients of queries, keys, values and scores.
#[derive(Debug, PartialEq)]
struct Found<T>([Vec<T>; 6]);

/// Everything a case is computed from, in f64; `f32` problems hold the same numbers.
struct Inputs {
    query: Vec<f64>,
    key: Vec<f64>,
    value: Vec<f64>,
    gradient: Vec<f64>,
    seen: Vec<bool>,
    added: Vec<f64>,
    scale: f64,
}

impl Case {
    fn inputs(&self) -> Inputs {
        let seen = numbers(self.queries * self.keys, 5).into_iter().enumerate();
        Inputs {
            query: numbers(self.heads * self.queries * self.width, 1),
            key: numbers(self.heads * self.keys * self.width, 2),
            value: numbers(self.heads * self.keys * self.value_width, 3),
            gradient: numbers(self.heads * self.queries * self.value_width, 4),
            // The first query of every three sees nothing at all.
            seen: seen.map(|(i, x)| x > -0.4 && !(i / self.keys).is_multiple_of(3)).collect(),
            added: numbers(self.heads * self.keys, 6).iter().map(|x| 2.0 * x).collect(),
            scale: 1.0 / (self.width as f64).sqrt() * 3.0,
        }
    }

    /// The heads side by side in each row, as a model's layers leave them.
    fn run<T: AttentionElement>(&self, inputs: &Inputs, of: impl Fn(f64) -> T) -> Found<T> {
        let Case { heads, queries, keys, width, value_width, causal, .. } = *self;
        let cast = |x: &[f64]| x.iter().map(|&x| of(x)).collect::<Vec<T>>();
        let (query, key, value) = (cast(&inputs.query), cast(&inputs.key), cast(&inputs.value));
        let (gradient, added) = (cast(&inputs.gradient), cast(&inputs.added));
        let starts = |width: usize| (0..heads).map(|h| h * width).collect::<Vec<_>>();
        let (narrow, wide) = (starts(width), starts(value_width));
        let (shared, by_keys) = (vec![0; heads], starts(keys));
        let mask = match self.mask {
            Masked::No => None,
            Masked::Seen => {
                Some(Mask { values: MaskValues::Seen(&inputs.seen), offsets: &shared, row: keys, column: 1 })
            }
            Masked::Added => Some(Mask { values: MaskValues::Added(&added), offsets: &by_keys, row: 0, column: 1 }),
        };
        let rows = |data, offsets, width: usize| Heads { data, offsets, row: heads * width };
        let problem = Attention {
            query: rows(&query, &narrow, width),
            key: rows(&key, &narrow, width),
            value: rows(&value, &wide, value_width),
            queries,
            keys,
            width,
            value_width,
            scale: of(inputs.scale),
            causal,
            mask,
        };
        let zeros = |len: usize| vec![of(9.0); len];
        let (mut out, mut log_sum) = (zeros(gradient.len()), zeros(heads * queries));
        fn target<'a, T>(data: &'a mut [T], offsets: &'a [usize], width: usize) -> HeadsMut<'a, T> {
            HeadsMut { data, offsets, row: offsets.len() * width }
        }
        attention(&problem, target(&mut out, &wide, value_width), &mut log_sum);
        let (mut dq, mut dk, mut dv) = (zeros(query.len()), zeros(key.len()), zeros(value.len()));
        let mut ds = zeros(heads * queries * keys);
        let attended = Attended {
            out: rows(&out, &wide, value_width),
            log_sum: &log_sum,
            gradient: rows(&gradient, &wide, value_width),
        };
        let to = AttentionGradients {
            query: target(&mut dq, &narrow, width),
            key: target(&mut dk, &narrow, width),
            value: target(&mut dv, &wide, value_width),
            scores: Some(&mut ds),
        };
        attention_backward(&problem, &attended, to);
        Found([out, log_sum, dq, dk, dv, ds])
    }

    /// The formulas, one element after the other.
    fn reference(&self, x: &Inputs) -> Found<f64> {
        let Case { heads, queries, keys, width, value_width, .. } = *self;
        let zeros = |len: usize| vec![0.0; len];
        let (mut out, mut log_sum) = (zeros(x.gradient.len()), zeros(heads * queries));
        let (mut dq, mut dk, mut dv) = (zeros(x.query.len()), zeros(x.key.len()), zeros(x.value.len()));
        let mut ds = zeros(heads * queries * keys);
        for (h, i) in (0..heads).flat_map(|h| (0..queries).map(move |i| (h, i))) {
            let narrow = |row: usize| (row * heads + h) * width..(row * heads + h + 1) * width;
            let wide = |row: usize| (row * heads + h) * value_width..(row * heads + h + 1) * value_width;
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            let visible = |j: usize| (!self.causal || j <= i) && (self.mask != Masked::Seen || x.seen[i * keys + j]);
            let score = |j: usize| {
                let added = if self.mask == Masked::Added { x.added[h * keys + j] } else { 0.0 };
                x.scale * dot(&x.query[narrow(i)], &x.key[narrow(j)]) + added
            };
            let scores: Vec<f64> = (0..keys).map(|j| if visible(j) { score(j) } else { f64::NEG_INFINITY }).collect();
            let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            if largest == f64::NEG_INFINITY {
                log_sum[h * queries + i] = f64::INFINITY;
                continue;
            }
            let sum: f64 = scores.iter().map(|s| (s - largest).exp()).sum();
            log_sum[h * queries + i] = largest + sum.ln();
            let weights: Vec<f64> = scores.iter().map(|s| (s - largest).exp() / sum).collect();
            for (j, p) in weights.iter().enumerate() {
                out[wide(i)].iter_mut().zip(&x.value[wide(j)]).for_each(|(o, v)| *o += p * v);
            }
            let mean = dot(&out[wide(i)], &x.gradient[wide(i)]);
            for (j, p) in weights.iter().enumerate() {
                let slope = p * (dot(&x.gradient[wide(i)], &x.value[wide(j)]) - mean);
                ds[(h * queries + i) * keys + j] = slope;
                dv[wide(j)].iter_mut().zip(&x.gradient[wide(i)]).for_each(|(d, g)| *d += p * g);
                dk[narrow(j)].iter_mut().zip(&x.query[narrow(i)]).for_each(|(d, q)| *d += x.scale * slope * q);
                dq[narrow(i)].iter_mut().zip(&x.key[narrow(j)]).for_each(|(d, k)| *d += x.scale * slope * k);
            }
        }
        Found([out, log_sum, dq, dk, dv, ds])
    }
}

/// Every kind of mask, heads enough and too few for a task each, and sizes on both sides of a block's.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let sizes: &[[usize; 5]] = if cfg!(miri) {
        &[[2, 5, 3, 4, 2], [9, 2, 2, 1, 1]]
    } else {
        &[
            [1, 1, 1, 1, 1],
            [2, 5, 3, 4, 2],
            [3, 70, 130, 16, 8],
            [9, 130, 70, 8, 24],
            [12, 64, 64, 32, 32],
            [1, 200, 9, 3, 5],
        ]
    };
    for &[heads, queries, keys, width, value_width] in sizes {
        for causal in [false, true] {
            for mask in [Masked::No, Masked::Seen, Masked::Added] {
                cases.push(Case { heads, queries, keys, width, value_width, causal, mask });
            }
        }
    }
    cases
}

#[track_caller]
fn close(found: &[f64], exact: &[f64], bound: f64, what: &str) {
    let size = exact.iter().filter(|x| x.is_finite()).fold(1.0f64, |m, x| m.max(x.abs()));
    for (i, (found, exact)) in found.iter().zip(exact).enumerate() {
        let same = found == exact || (found - exact).abs() <= bound * size;
        assert!(same, "{what}: element {i} is {found}, not {exact} (largest {size})");
    }
}

#[test]
fn results_and_gradients_equal_the_formulas() {
    for case in cases() {
        let inputs = case.inputs();
        let exact = case.reference(&inputs);
        let what = ["out", "log_sum", "query", "key", "value", "scores"];
        let wide = case.run(&inputs, |x| x);
        let single = case.run(&inputs, |x| x as f32);
        for (k, what) in what.iter().enumerate() {
            let Case { heads, queries, keys, width, causal, .. } = case;
            let what = format!("{what} of {heads} heads, {queries} × {keys}, {width} wide, causal {causal}");
            close(&wide.0[k], &exact.0[k], 1e-13, &what);
            let single: Vec<f64> = single.0[k].iter().map(|&x| x.into()).collect();
            close(&single, &exact.0[k], 2e-6, &what);
        }
    }
}

/// Neither the number of threads nor the heads beside it change a head's bits.
#[test]
fn threads_and_other_heads_do_not_change_a_bit() {
    for case in cases() {
        let inputs = case.inputs();
        set_threads(1);
        let alone = case.run(&inputs, |x| x as f32);
        for threads in [2, 3, 8] {
            set_threads(threads);
            assert!(case.run(&inputs, |x| x as f32) == alone, "{threads} threads");
        }
        set_threads(0);
    }
    // The gradients of the keys and those of the queries come from two sweeps below eight heads, from one above.
    let case =
        |heads| Case { heads, queries: 150, keys: 140, width: 16, value_width: 8, causal: true, mask: Masked::No };
    let (few, many) = (case(3), case(9));
    if cfg!(miri) {
        return;
    }
    let all = many.inputs();
    let part = |x: &[f64], width: usize| -> Vec<f64> {
        x.chunks(9 * width).flat_map(|row| row[..3 * width].to_vec()).collect()
    };
    let three = Inputs {
        query: part(&all.query, 16),
        key: part(&all.key, 16),
        value: part(&all.value, 8),
        gradient: part(&all.gradient, 8),
        ..few.inputs()
    };
    let (few, many) = (few.run(&three, |x| x as f32), many.run(&all, |x| x as f32));
    for (k, width) in [(0, 8), (2, 16), (3, 16), (4, 8)] {
        let of_many: Vec<f32> = many.0[k].chunks(9 * width).flat_map(|row| row[..3 * width].to_vec()).collect();
        assert!(few.0[k] == of_many, "result {k}");
    }
}

#[test]
fn instruction_sets_do_not_matter() {
    // Of 37 queries the rows are filled up to 48.
    let (queries, rows, keys, width) = (37, 48, 20, 21);
    let cast = |seed, len: usize| numbers(len, seed).into_iter().map(|x| 3.0 * x as f32).collect::<Vec<_>>();
    let mut scores = cast(1, keys * rows);
    scores.iter_mut().step_by(3).for_each(|x| *x = f32::NEG_INFINITY);
    let (out, gradient) = (cast(2, rows * width), cast(3, rows * width));
    let run = |isa| {
        let (mut weights, mut gathered) = (scores.clone(), out.clone());
        let (mut largest, mut sums, mut factors) = (vec![0.5; rows], vec![2.0; rows], vec![0.0; rows]);
        let reweigh = forward::Reweigh {
            scores: &mut weights,
            gathered: &mut gathered,
            largest: &mut largest,
            sums: &mut sums,
            factors: &mut factors,
        };
        dispatch_on(isa, reweigh);
        let heads = |data| Heads { data, offsets: &[0], row: width };
        let mut copied = vec![7.0; rows * 32];
        let from = heads(&out);
        dispatch_on(isa, Gathered { from, head: 0, rows: 0..queries, columns: width, factor: 0.3, to: &mut copied });
        let (out, gradient, mut means) = (heads(&out), heads(&gradient), vec![0.0; rows]);
        let to = &mut means[..queries];
        dispatch_on(isa, backward::Products { out: &out, gradient: &gradient, head: 0, first: 0, width, to });
        let (mut again, mut slopes) = (scores.clone(), scores.iter().map(|x| x.max(-1.0)).collect::<Vec<_>>());
        let (log_sum, means) = (&largest[..], &means[..]);
        dispatch_on(isa, backward::Weigh { scores: &mut again, log_sum, means, slopes: &mut slopes });
        [weights, gathered, largest.clone(), sums, again, means.to_vec(), slopes, copied]
    };
    for isa in available() {
        assert!(run(isa) == run(available()[0]), "{isa:?}");
    }
}

/// Scores of thousands neither overflow nor lose the small ones' place.
#[test]
fn large_scores_do_not_overflow() {
    let case = Case { heads: 1, queries: 3, keys: 100, width: 4, value_width: 4, causal: false, mask: Masked::No };
    let mut inputs = case.inputs();
    inputs.scale = 5000.0;
    let found = case.run(&inputs, |x| x as f32);
    let exact = case.reference(&inputs);
    assert!(found.0.iter().flatten().all(|x| x.is_finite()));
    let out: Vec<f64> = found.0[0].iter().map(|&x| x.into()).collect();
    // A score of 10⁴ is known to half a unit in its last place, and so is the exponent.
    close(&out, &exact.0[0], 2e-3, "out");
}
