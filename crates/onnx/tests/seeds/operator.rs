//! Arbitrary bytes as a node of any operator, with attributes and inputs of a few elements.

use hadal_core::half::{bf16, f16};
use hadal_onnx::{ElementType, Model, Supported, Type, Value, operators};
use std::sync::LazyLock;

/// Names of attributes.
const NAMES: &[&str] = &[
    "activation",
    "activation_alpha",
    "activation_beta",
    "activations",
    "aggregate_function",
    "align_corners",
    "allowzero",
    "alpha",
    "antialias",
    "approximate",
    "auto_pad",
    "axes",
    "axis",
    "batch_axis",
    "batch_dims",
    "beta",
    "bias",
    "bits",
    "block_size",
    "blocksize",
    "cats_int64s",
    "cats_strings",
    "causal",
    "ceil_mode",
    "center_point_box",
    "channels_last",
    "clip",
    "coefficients",
    "coordinate_transformation_mode",
    "count_include_pad",
    "decay_factor",
    "default_int64",
    "dilations",
    "direction",
    "end",
    "ends",
    "epsilon",
    "equation",
    "exclusive",
    "fmod",
    "gamma",
    "group",
    "groups",
    "hidden_size",
    "high",
    "ignore_index",
    "intercepts",
    "is_causal",
    "k",
    "keepdims",
    "kernel_shape",
    "keys_int64s",
    "kv_num_heads",
    "lambd",
    "largest",
    "layout",
    "linear_before_reset",
    "local_window_size",
    "low",
    "max_gram_length",
    "max_skip_count",
    "min_gram_length",
    "mode",
    "nearest_mode",
    "new_axis",
    "ngram_counts",
    "ngram_indexes",
    "nodes_falsenodeids",
    "nodes_featureids",
    "nodes_modes",
    "nodes_nodeids",
    "nodes_treeids",
    "nodes_truenodeids",
    "nodes_values",
    "norm",
    "norm_size",
    "num_groups",
    "num_heads",
    "num_outputs",
    "offset_group",
    "onesided",
    "output_height",
    "output_padding",
    "output_shape",
    "output_width",
    "p",
    "padding_mode",
    "pads",
    "perm",
    "pool_int64s",
    "pooled_shape",
    "post_transform",
    "q_num_heads",
    "qkv_hidden_sizes",
    "reduction",
    "reverse",
    "rotary_embedding_dim",
    "sampling_ratio",
    "scale",
    "scales",
    "seed",
    "select_last_index",
    "shape",
    "size",
    "softcap",
    "sorted",
    "spatial_scale",
    "split",
    "start",
    "starts",
    "steps",
    "storage_order",
    "strides",
    "time_axis",
    "to",
    "transA",
    "transB",
    "upper",
    "value",
    "value_ints",
    "values_int64s",
    "weights",
];

/// Words that attributes take.
const WORDS: &[&str] = &[
    "",
    "a|b*",
    "add",
    "bilinear",
    "bidirectional",
    "constant",
    "cubic",
    "edge",
    "half_pixel",
    "ij,jk->ik",
    "...i->i",
    "linear",
    "max",
    "mean",
    "mul",
    "nearest",
    "reflect",
    "reverse",
    "LEAF",
    "BRANCH_LEQ",
    "Relu",
    "SAME_UPPER",
    "SAME_LOWER",
    "SOFTMAX",
    "VALID",
    "wrap",
];

/// Types of elements by their numbers in the format, those of most inputs several times.
const TYPES: &[i32] = &[1, 1, 1, 1, 7, 7, 7, 2, 3, 6, 9, 11, 10, 16, 8, 4, 5, 12, 13, 17, 20, 21, 22, 23];

/// Operators whose results are random.
const RANDOM: [&str; 7] =
    ["Bernoulli", "Dropout", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"];

static OPERATORS: LazyLock<Vec<Supported>> = LazyLock::new(operators);

/// Decisions from bytes; zeros when they are used up.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    /// Small, so that results are, or larger than anything that exists.
    fn int(&mut self) -> i64 {
        match self.byte() {
            255 => i64::MAX,
            254 => i64::MIN,
            253 => 1 << 40,
            252 => -1 << 40,
            byte => i64::from(byte % 8) - 3,
        }
    }

    /// One of `count` integers of a tensor: of many, none may be larger than 1, as they may be the sizes of another.
    fn int_of(&mut self, count: usize) -> i64 {
        match self.int() {
            n @ -4..=4 if count > 9 => n.clamp(-1, 1),
            n => n,
        }
    }

    /// The same for a byte; `mask` are the bits of numbers up to 7.
    fn byte_of(&mut self, count: usize, mask: u8) -> u8 {
        match count {
            0..=3 => self.byte(),
            4..=9 => self.byte() & mask,
            _ => self.byte() & mask & 0x11,
        }
    }

    fn float(&mut self) -> f32 {
        match self.byte() as i8 {
            127 => f32::INFINITY,
            126 => f32::NAN,
            125 => f32::MAX,
            byte => f32::from(byte) / 32.0,
        }
    }

    fn list<T>(&mut self, mut f: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(7)).map(|_| f(self)).collect()
    }
}

/// A message in the wire form of protocol buffers.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.0.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.0.push(n as u8);
    }

    fn int(mut self, tag: u64, n: i64) -> Message {
        self.varint(tag << 3);
        self.varint(n as u64);
        self
    }

    fn bytes(mut self, tag: u64, bytes: &[u8]) -> Message {
        self.varint(tag << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
        self
    }

    fn float(mut self, tag: u64, x: f32) -> Message {
        self.varint(tag << 3 | 5);
        self.0.extend(x.to_le_bytes());
        self
    }

    fn message(self, tag: u64, inner: &Message) -> Message {
        self.bytes(tag, &inner.0)
    }
}

/// A tensor of a few elements.
fn tensor(name: &str, choices: &mut Choices) -> Message {
    let code = *choices.of(TYPES);
    let sizes: Vec<usize> = (0..choices.below(5)).map(|_| choices.below(4)).collect();
    let count: usize = sizes.iter().product();
    let start = sizes.iter().fold(Message::default(), |m, &n| m.int(1, n as i64)).int(2, i64::from(code));
    let start = start.bytes(8, name.as_bytes());
    if code == 8 {
        return (0..count).fold(start, |m, _| m.bytes(6, choices.of(WORDS).as_bytes()));
    }
    let mut raw = Vec::new();
    for _ in 0..count {
        match code {
            1 => raw.extend(choices.float().to_le_bytes()),
            10 => raw.extend(f16::from_f32(choices.float()).to_le_bytes()),
            11 => raw.extend(f64::from(choices.float()).to_le_bytes()),
            16 => raw.extend(bf16::from_f32(choices.float()).to_le_bytes()),
            7 | 13 => raw.extend(choices.int_of(count).to_le_bytes()),
            6 | 12 => raw.extend((choices.int_of(count) as i32).to_le_bytes()),
            4 | 5 => raw.extend((choices.int_of(count) as i16).to_le_bytes()),
            9 => raw.push(choices.byte() & 1),
            21..=23 if raw.len() < count.div_ceil(2) => raw.push(choices.byte_of(count, 0x77)),
            21..=23 => (),
            17 | 20 => raw.push(choices.byte()),
            _ => raw.push(choices.byte_of(count, 0x07)),
        }
    }
    start.bytes(9, &raw)
}

fn attribute(choices: &mut Choices) -> Message {
    let name = Message::default().bytes(1, choices.of(NAMES).as_bytes());
    let (kind, value) = match choices.below(7) {
        0 => (2, name.int(3, choices.int())),
        1 => (1, name.float(2, choices.float())),
        2 => (3, name.bytes(4, choices.of(WORDS).as_bytes())),
        3 => (7, choices.list(Choices::int).into_iter().fold(name, |m, n| m.int(8, n))),
        4 => (6, choices.list(Choices::float).into_iter().fold(name, |m, x| m.float(7, x))),
        5 => (8, choices.list(|c| *c.of(WORDS)).into_iter().fold(name, |m, s| m.bytes(9, s.as_bytes()))),
        _ => (4, name.message(5, &tensor("", choices))),
    };
    value.int(20, kind)
}

/// Whether the node could be run. Its compiled form then gives the same bits.
pub fn check(bytes: &[u8]) -> bool {
    let choices = &mut Choices(bytes);
    let operator = OPERATORS[(choices.below(256) * 256 + choices.below(256)) % OPERATORS.len()];
    let newest = match operator.domain {
        "ai.onnx" => 28,
        "ai.onnx.ml" => 5,
        _ => 1,
    };
    let version = operator.since + choices.below((newest + 1 - operator.since) as usize) as i64;
    let node = Message::default().bytes(4, operator.name.as_bytes()).bytes(7, operator.domain.as_bytes());
    let mut node = (0..choices.below(6)).fold(node, |m, _| m.message(5, &attribute(choices)));
    let (mut graph, mut inputs) = (Message::default(), Vec::new());
    for i in 0..choices.below(9) {
        let name = format!("x{i}");
        // Left out, an initializer, or an input.
        match choices.below(4) {
            0 => node = node.bytes(1, b""),
            kind => {
                let tensor = tensor(&name, choices);
                node = node.bytes(1, name.as_bytes());
                if kind == 1 {
                    graph = graph.message(5, &tensor);
                } else {
                    let any = Type::Tensor { element: ElementType::F32, shape: None };
                    let value = Model::read_value(tensor.0, &any).expect("the tensor is well formed");
                    graph = graph.message(11, &Message::default().bytes(1, name.as_bytes()));
                    inputs.push((name, value));
                }
            }
        }
    }
    for i in 0..=choices.below(3) {
        let name = format!("y{i}");
        node = node.bytes(2, name.as_bytes());
        graph = graph.message(12, &Message::default().bytes(1, name.as_bytes()));
    }
    let opset = Message::default().bytes(1, operator.domain.as_bytes()).int(2, version);
    let model = Message::default().int(1, 13).message(7, &graph.message(1, &node)).message(8, &opset);
    let Ok(model) = Model::from_bytes(model.0) else { return false };
    let inputs: Vec<(&str, Value)> = inputs.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    hadal_core::no_grad(|| {
        let Ok(eager) = model.run(&inputs) else { return false };
        let compiled = model.compiled().run(&inputs).expect("what can be run can be run compiled");
        let same = |(a, b): (&Value, &Value)| match (a.tensor(), b.tensor()) {
            (Some(a), Some(b)) => a.shape() == b.shape() && a.to_bytes() == b.to_bytes(),
            _ => format!("{a:?}") == format!("{b:?}"),
        };
        let random = RANDOM.contains(&operator.name);
        assert!(random || eager.iter().zip(&compiled).all(same), "{operator:?}: {eager:?}, compiled {compiled:?}");
        true
    })
}
