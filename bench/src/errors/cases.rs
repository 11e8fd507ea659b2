//! The kernels that are measured, each beside its definition.

use super::definitions::{self as plain, Numbers, Planes};
use super::tape::{Number, Tape};
use hadal::prelude::*;
use hadal::random::Generator;
use hadal::{Attention, Convolution, Pooling, Walk};

/// A kernel, what it is called with, and what it should give.
pub struct Case {
    pub name: String,
    /// In f32, with the names of those that have a gradient; what has none is named "".
    pub inputs: Vec<(&'static str, Tensor)>,
    /// The errors that result and gradients stay below, relative to their largest numbers; 0 without gradients.
    pub bounds: [f64; 2],
    pub kernel: Kernel,
    pub definition: Definition,
}

type Kernel = Box<dyn Fn(&[Tensor]) -> Tensor>;
type Definition = Box<dyn Fn(&mut Tape, &[Numbers]) -> Numbers>;

fn case(
    name: impl Into<String>,
    inputs: Vec<(&'static str, Tensor)>,
    bounds: [f64; 2],
    kernel: impl Fn(&[Tensor]) -> Tensor + 'static,
    definition: impl Fn(&mut Tape, &[Numbers]) -> Numbers + 'static,
) -> Case {
    Case { name: name.into(), inputs, bounds, kernel: Box::new(kernel), definition: Box::new(definition) }
}

/// From a generator of their own: the same numbers every time.
pub fn all() -> Vec<Case> {
    let numbers = Random(Generator::new(0));
    let groups: [fn(&Random) -> Vec<Case>; 7] =
        [products, images, rows, sequences, reductions, optimizers, other_convolutions];
    groups.into_iter().flat_map(|group| group(&numbers)).collect()
}

/// Where the inputs come from.
struct Random(Generator);

impl Random {
    /// Standard normal.
    fn normal(&self, shape: impl Into<Shape>) -> Tensor {
        Tensor::normal_from(&self.0, shape, 0.0, 1.0)
    }

    fn uniform(&self, shape: impl Into<Shape>, low: f64, high: f64) -> Tensor {
        Tensor::uniform_from(&self.0, shape, low, high)
    }
}

fn products(random: &Random) -> Vec<Case> {
    let product = |[m, k, n]: [usize; 3]| {
        let (a, b) = (random.normal([m, k]), random.normal([k, n]));
        let about = format!("matrix product [{m}, {k}] · [{k}, {n}]");
        case(
            about,
            vec![("a", a), ("b", b)],
            [2e-6, 1e-6],
            |x| x[0].matmul(&x[1]),
            move |t, x| plain::matmul(t, [m, k, n], &x[0], &x[1], None),
        )
    };
    let [m, k, n] = [32, 784, 64];
    let inputs =
        vec![("input", random.normal([m, k])), ("weight", random.normal([n, k])), ("bias", random.normal([n]))];
    let dense = case(
        format!("dense layer of {k} and {n} features, batch {m}"),
        inputs,
        [4e-6, 2e-6],
        |x| x[0].linear(&x[1], Some(&x[2])),
        move |t, x| {
            let weight: Numbers = (0..k * n).map(|i| x[1][i % n * k + i / n]).collect();
            plain::matmul(t, [m, k, n], &x[0], &weight, Some(&x[2]))
        },
    );
    vec![product([12, 60, 20]), product([24, 4096, 24]), product([1, 1024, 512]), product([96, 100, 200]), dense]
}

fn planes(
    batch: usize,
    channels: [usize; 2],
    groups: usize,
    size: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
) -> Planes {
    Planes { batch, channels, groups, size, kernel, stride, padding }
}

fn convolution(random: &Random, name: &str, p: Planes, bounds: [f64; 2]) -> Case {
    let x = random.normal([p.batch, p.channels[0], p.size, p.size]);
    let weight = random.normal([p.channels[1], p.channels[0] / p.groups, p.kernel, p.kernel]);
    let options = Convolution::new().stride(p.stride).padding(p.padding).groups(p.groups);
    let of = |n: usize| format!("{n}×{n}");
    let about = format!(
        "{name} {}, batch {}, images {}, {} to {} channels",
        of(p.kernel),
        p.batch,
        of(p.size),
        p.channels[0],
        p.channels[1]
    );
    let kernel = move |x: &[Tensor]| x[0].conv2d(&x[1], None, &options);
    case(about, vec![("input", x), ("weight", weight)], bounds, kernel, move |t, x| p.convolution(t, &x[0], &x[1]))
}

fn images(random: &Random) -> Vec<Case> {
    let convolution = |name: &str, p: Planes, bounds: [f64; 2]| convolution(random, name, p, bounds);
    let mean = planes(4, [8, 8], 8, 24, 3, 2, 1);
    let pooling = case(
        "mean pooling 3×3 of images 24×24",
        vec![("input", random.normal([4, 8, 24, 24]))],
        [2e-7, 2e-7],
        |x| x[0].avg_pool2d(&Pooling::new(3).stride(2).padding(1)),
        move |t, x| mean.mean_pooling(t, &x[0]),
    );
    vec![
        convolution("convolution", planes(18, [8, 12], 1, 10, 3, 1, 1), [1e-6, 2e-6]),
        convolution("convolution", planes(2, [24, 24], 1, 14, 3, 2, 1), [1e-6, 2e-6]),
        convolution("convolution by Winograd", planes(20, [32, 32], 1, 8, 3, 1, 1), [1e-6, 2e-6]),
        convolution("convolution by Winograd", planes(1, [16, 48], 1, 21, 3, 1, 1), [1e-6, 2e-6]),
        convolution("convolution", planes(1, [8, 8], 1, 40, 3, 1, 1), [1e-6, 2e-6]),
        convolution("convolution", planes(20, [3, 8], 1, 32, 3, 1, 1), [1e-6, 2e-6]),
        convolution("convolution", planes(64, [1, 2], 1, 40, 1, 1, 0), [1e-6, 2e-6]),
        convolution("grouped convolution", planes(9, [12, 12], 3, 16, 3, 1, 1), [1e-6, 2e-6]),
        convolution("depthwise convolution", planes(64, [4, 4], 4, 32, 3, 1, 1), [1e-6, 5e-6]),
        pooling,
    ]
}

/// One small map, strides between planes, the other way, and one more dimension.
fn other_convolutions(random: &Random) -> Vec<Case> {
    let p = planes(6, [12, 20], 1, 13, 3, 2, 1);
    let transposed = case(
        "transposed convolution 3×3 with stride 2, batch 6, images 7×7 to 13×13, 20 to 12 channels",
        vec![("input", random.normal([6, 20, 7, 7])), ("weight", random.normal([20, 12, 3, 3]))],
        [1e-6, 2e-6],
        |x| x[0].conv_transpose2d(&x[1], None, &Convolution::new().stride(2).padding(1)),
        move |t, x| p.transposed(t, &x[0], &x[1]),
    );
    let sizes @ [batch, inputs, outputs, size, kernel] = [3, 6, 10, 9, 3];
    let volumes = case(
        "convolution 3×3×3, batch 3, volumes 9×9×9, 6 to 10 channels",
        vec![
            ("input", random.normal([batch, inputs, size, size, size])),
            ("weight", random.normal([outputs, inputs, kernel, kernel, kernel])),
        ],
        [1e-6, 2e-6],
        |x| x[0].conv3d(&x[1], None, &Convolution::new()),
        move |t, x| plain::volumes(t, sizes, &x[0], &x[1]),
    );
    vec![
        convolution(random, "convolution", planes(1, [80, 64], 1, 7, 3, 1, 1), [2e-6, 2e-6]),
        convolution(random, "depthwise convolution", planes(3, [20, 20], 20, 15, 3, 2, 1), [1e-6, 5e-6]),
        transposed,
        volumes,
    ]
}

fn rows(random: &Random) -> Vec<Case> {
    let logits = || vec![("input", random.normal([64, 1000]).mul(4.0))];
    let targets: Vec<i64> = (0..64).map(|i| i * 7919 % 1000).collect();
    let labels = Tensor::from_slice(&targets);
    let softmax = |name: &str, log: bool| {
        let kernel = move |x: &[Tensor]| if log { x[0].log_softmax(-1) } else { x[0].softmax(-1) };
        case(name, logits(), [1e-6, 2e-6], kernel, move |t, x| plain::softmax(t, &x[0], 1000, log))
    };
    let cross_entropy = case(
        "cross-entropy of 64 rows of 1000",
        logits(),
        [1e-6; 2],
        move |x| x[0].cross_entropy(&labels),
        move |t, x| vec![plain::cross_entropy(t, &x[0], 1000, &targets)],
    );
    // Numbers away from zero, as batch statistics of activations are.
    let scaled = |shape: &[usize], channels: usize, shift: f64| {
        let numbers = |shift: f64| random.normal([channels]).mul(0.1).add(shift);
        let x = random.normal(shape).add(shift);
        vec![("input", x), ("weight", numbers(1.0)), ("bias", numbers(0.0))]
    };
    let layer = case(
        "layer norm of 32 rows of 1024",
        scaled(&[32, 1024], 1024, 3.0),
        [2e-6; 2],
        |x| x[0].layer_norm(1024, Some(&x[1]), Some(&x[2]), 1e-5),
        |t, x| {
            let y: Numbers = x[0].chunks(1024).flat_map(|row| plain::normalized(t, row, true, 1e-5)).collect();
            plain::affine(t, &y, |i| i % 1024, &x[1], &x[2])
        },
    );
    let mut inputs = scaled(&[32, 1024], 1024, 0.0);
    inputs.pop();
    let rms = case(
        "rms norm of 32 rows of 1024",
        inputs,
        [2e-6; 2],
        |x| x[0].rms_norm(1024, Some(&x[1]), Some(1e-5)),
        |t, x| {
            let y: Numbers = x[0].chunks(1024).flat_map(|row| plain::normalized(t, row, false, 1e-5)).collect();
            y.iter().enumerate().map(|(i, &y)| t.mul(y, x[1][i % 1024])).collect()
        },
    );
    let group = case(
        "group norm, 8 groups of 4 channels 12×12",
        scaled(&[8, 32, 12, 12], 32, 3.0),
        [2e-6; 2],
        |x| x[0].group_norm(8, Some(&x[1]), Some(&x[2]), 1e-5),
        |t, x| {
            let y: Numbers = x[0].chunks(4 * 144).flat_map(|group| plain::normalized(t, group, true, 1e-5)).collect();
            plain::affine(t, &y, |i| i / 144 % 32, &x[1], &x[2])
        },
    );
    let (images, channels, area) = (40, 6, 24 * 24);
    let batch = case(
        "batch norm of 40 images 24×24",
        scaled(&[images, channels, 24, 24], channels, 3.0),
        [2e-6, 1e-5],
        |x| x[0].batch_norm_train(Some(&x[1]), Some(&x[2]), 1e-5).0,
        move |t, x| {
            let place = |image: usize, channel: usize| (image * channels + channel) * area;
            let mut y = x[0].clone();
            for channel in 0..channels {
                let starts: Vec<usize> = (0..images).map(|image| place(image, channel)).collect();
                let numbers: Numbers = starts.iter().flat_map(|&s| x[0][s..s + area].iter().copied()).collect();
                let numbers = plain::normalized(t, &numbers, true, 1e-5);
                for (&start, numbers) in starts.iter().zip(numbers.chunks(area)) {
                    y[start..start + area].copy_from_slice(numbers);
                }
            }
            plain::affine(t, &y, |i| i / area % channels, &x[1], &x[2])
        },
    );
    vec![
        softmax("softmax of 64 rows of 1000", false),
        softmax("log-softmax of 64 rows of 1000", true),
        cross_entropy,
        layer,
        rms,
        group,
        batch,
    ]
}

fn sequences(random: &Random) -> Vec<Case> {
    let attention = |name: &str, queries: usize, keys: usize, causal: bool| {
        let (heads, width) = (4, 32);
        let numbers = |rows: usize| random.normal([1, heads, rows, width]);
        let inputs = vec![("queries", numbers(queries)), ("keys", numbers(keys)), ("values", numbers(keys))];
        let options = Attention { causal, ..Default::default() };
        let kernel = move |x: &[Tensor]| x[0].scaled_dot_product_attention(&x[1], &x[2], &options);
        let about = format!("{name}, {queries} queries of {keys} keys, width {width}");
        case(about, inputs, [1e-6, 2e-6], kernel, move |t, x| {
            let head = |x: &[Number], rows: usize, head: usize| x[head * rows * width..][..rows * width].to_vec();
            let one = |h| {
                let (q, k, v) = (head(&x[0], queries, h), head(&x[1], keys, h), head(&x[2], keys, h));
                plain::attention(t, &q, &k, &v, width, causal)
            };
            (0..heads).flat_map(one).collect()
        })
    };
    let recurrence = |name: &str, lstm: bool| {
        let sizes @ [batch, steps, hidden] = [8, 32, 40];
        let gates = if lstm { 4 } else { 3 } * hidden;
        let bound = (hidden as f64).sqrt().recip();
        let numbers = |shape: &[usize]| random.uniform(shape, -bound, bound);
        let inputs = vec![
            ("input", random.normal([batch, steps, gates])),
            ("weight", numbers(&[gates, hidden])),
            ("bias", numbers(&[gates])),
        ];
        let kernel = move |x: &[Tensor]| {
            let start = Tensor::zeros_with([batch, hidden], x[0].dtype());
            let walk = Walk { axis: 1, backwards: false, lengths: None };
            match lstm {
                true => x[0].lstm(&start, &start, &x[1], Some(&x[2]), &walk).0,
                false => x[0].gru(&start, &x[1], Some(&x[2]), &walk).0,
            }
        };
        let about = format!("{name}, {steps} steps of {hidden} units, batch {batch}");
        case(about, inputs, [1e-6, 2e-6], kernel, move |t, x| plain::recurrence(t, sizes, lstm, &x[0], &x[1], &x[2]))
    };
    let (rows, width, words) = (12, 16, 6000);
    let index: Vec<i64> = (0..words).map(|i| i * i % rows).collect();
    let numbers = Tensor::from_slice(&index);
    let embedding = case(
        "embedding, 6000 words of 12",
        vec![("table", random.normal([rows as usize, width]))],
        [0.0, 5e-6],
        move |x| x[0].embedding(&numbers),
        move |t, x| {
            let place = |i: usize| index[i / width] as usize * width + i % width;
            (0..index.len() * width).map(|i| t.sum([x[0][place(i)]])).collect()
        },
    );
    vec![
        attention("attention", 70, 130, false),
        attention("causal attention", 130, 130, true),
        recurrence("LSTM", true),
        recurrence("GRU", false),
        embedding,
    ]
}

fn reductions(random: &Random) -> Vec<Case> {
    let positive = |shape: &[usize]| vec![("", random.uniform(shape, 0.0, 1.0))];
    let of_rows = |t: &mut Tape, x: &Numbers, f: fn(&mut Tape, &[Number]) -> Number| -> Numbers {
        x.chunks(65536).map(|row| f(t, row)).collect()
    };
    vec![
        case(
            "sum of 1,000,000 numbers",
            positive(&[1_000_000]),
            [2e-7, 0.0],
            |x| x[0].sum(..),
            |t, x| vec![t.sum(x[0].iter().copied())],
        ),
        case(
            "sums of 8 rows of 65,536",
            positive(&[8, 65536]),
            [2e-7, 0.0],
            |x| x[0].sum(1),
            move |t, x| of_rows(t, &x[0], |t, row| t.sum(row.iter().copied())),
        ),
        case(
            "sums of 8 columns of 65,536",
            positive(&[65536, 8]),
            [2e-7, 0.0],
            |x| x[0].sum(0),
            |t, x| (0..8).map(|c| t.sum(x[0].iter().skip(c).step_by(8).copied())).collect(),
        ),
        case(
            "means of 8 rows of 65,536",
            positive(&[8, 65536]),
            [2e-7, 0.0],
            |x| x[0].mean(1),
            move |t, x| of_rows(t, &x[0], plain::mean),
        ),
        case(
            "variances of 8 rows of 65,536",
            positive(&[8, 65536]),
            [5e-7, 0.0],
            |x| x[0].var(1),
            move |t, x| of_rows(t, &x[0], |t, row| plain::variance(t, row, row.len() as f64 - 1.0).0),
        ),
    ]
}

fn optimizers(random: &Random) -> Vec<Case> {
    let (parameters, steps) = (512, 100);
    let steps_of = move |x: &[Tensor], optimizer: &dyn Fn(Vec<Param>) -> Optimizer| {
        let param = Param::new(x[0].clone());
        let optimizer = optimizer(vec![param.clone()]);
        for step in 0..steps {
            let loss = param.get().mul(x[1].select(0, step as isize)).sum(..);
            optimizer.step(&loss.backward()).expect("the parameter has a gradient");
        }
        param.get().detach()
    };
    let inputs = || vec![("", random.normal([parameters])), ("", random.normal([steps, parameters]))];
    vec![
        case(
            "SGD with momentum, 100 steps",
            inputs(),
            [4e-6, 0.0],
            move |x| steps_of(x, &|p| Sgd::new(0.01).momentum(0.9).optimize(p)),
            |t, x| plain::sgd(t, &x[0], &x[1], 0.01, 0.9),
        ),
        case(
            "Adam, 100 steps",
            inputs(),
            [4e-6, 0.0],
            move |x| steps_of(x, &|p| Adam::new(0.01).optimize(p)),
            |t, x| plain::adam(t, &x[0], &x[1], 0.01, 0.0),
        ),
        case(
            "AdamW, 100 steps",
            inputs(),
            [4e-6, 0.0],
            move |x| steps_of(x, &|p| AdamW::new(0.01).optimize(p)),
            |t, x| plain::adam(t, &x[0], &x[1], 0.01, 0.01),
        ),
    ]
}
