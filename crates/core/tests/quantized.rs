//! Graphs of bytes against the functions that they stand for.

use hadal_core::compile::{Graphs, Int8, Ranges};
use hadal_core::{Convolution, Pooling, Result, Tensor, compile, no_grad};
use hadal_kernels::threads::set_threads;

/// Numbers between −scale and scale that look random.
fn numbers(shape: &[usize], seed: f64, scale: f32) -> Tensor {
    let value = |i: usize| scale * ((i as f64 + 1.0) * 78.233 * seed).sin() as f32;
    Tensor::from_vec((0..shape.iter().product()).map(value).collect(), shape)
}

/// A residual network of one block, and a part that is read in two ways.
struct Network {
    first: Tensor,
    second: Tensor,
    third: Tensor,
    shortcut: Tensor,
    dense: Tensor,
    bias: Tensor,
}

impl Network {
    fn new() -> Network {
        Network {
            first: numbers(&[10, 3, 3, 3], 1.0, 0.4),
            second: numbers(&[12, 10, 3, 3], 1.1, 0.2),
            third: numbers(&[12, 12, 3, 3], 1.2, 0.2),
            shortcut: numbers(&[12, 10, 1, 1], 1.3, 0.4),
            dense: numbers(&[5, 12], 1.4, 0.5),
            bias: numbers(&[12], 1.5, 0.2),
        }
    }

    fn logits(&self, x: &Tensor) -> Result<Vec<Tensor>> {
        let same = Convolution::new().padding(1);
        let x = x.conv2d(&self.first, None, &same).relu().max_pool2d(&Pooling::new(3).stride(2).padding(1));
        let y = x.conv2d(&self.second, Some(&self.bias), &same).relu().conv2d(&self.third, None, &same);
        let z = (y + x.conv2d(&self.shortcut, Some(&self.bias), &Convolution::new())).relu();
        Ok(vec![z.mean([2, 3]).linear(&self.dense, None), x.sigmoid().mean(..), z])
    }

    fn ranges(&self, x: &Tensor) -> Ranges {
        let mut ranges = Ranges::new();
        let mut visit = |value: usize, x: &Tensor| {
            let values = x.to_vec::<f32>();
            let range = ranges.entry(value).or_insert((0.0f32, 0.0f32));
            values.iter().for_each(|&x| *range = (range.0.min(x), range.1.max(x)));
        };
        Graphs::default().observe(&[x], &|x| self.logits(&x[0]), &mut visit).expect("a graph");
        ranges
    }
}

fn largest(x: &Tensor) -> f64 {
    x.abs().amax(..).to_f64_vec()[0]
}

#[test]
fn a_residual_network_of_bytes_is_near_that_of_numbers() {
    no_grad(|| {
        let network = Network::new();
        let x = numbers(&[4, 3, 14, 14], 2.0, 1.5);
        // The input, what follows the pool and the first convolution of the block, the shortcut, and what the dense layer
        // reads; the pool's result has the range of its input.
        let ranges = network.ranges(&x);
        let function = compile(|[x]: [&Tensor; 1]| network.logits(x)).quantized(Int8::Static(ranges));
        let graph = function.graph([&x]).expect("a graph").to_string();
        let count = |name: &str| graph.matches(name).count();
        assert_eq!(count("quantized_convolution("), 5, "{graph}");
        // The images and the rows of the dense layer become bytes, and the pool's result numbers once.
        assert_eq!((count(" quantize_images("), count(" dequantize_images(")), (2, 1), "{graph}");
        assert_eq!((count("quantized_max_pool("), count("relu"), count(" add(")), (1, 0, 0), "{graph}");
        let (found, expected) = (function.call([&x]).expect("results"), network.logits(&x).expect("results"));
        // Of the largest feature: the logits are differences of them.
        let scale = largest(&expected[2]);
        for (found, expected) in found.iter().zip(&expected) {
            let error = largest(&found.sub(expected)) / scale;
            assert!(error > 0.0 && error < 0.03, "{error}: {found:?} {expected:?}");
        }
    });
}

#[test]
fn a_sample_does_not_depend_on_its_batch_nor_on_threads() {
    no_grad(|| {
        let network = Network::new();
        let x = numbers(&[7, 3, 14, 14], 2.0, 1.5);
        let logits = |x: &Tensor| Ok(vec![network.logits(x)?.swap_remove(0)]);
        let mut ranges = Ranges::new();
        let mut visit = |value: usize, x: &Tensor| {
            ranges.insert(value, (-largest(x) as f32, largest(x) as f32));
        };
        Graphs::default().observe(&[&x], &|x| logits(&x[0]), &mut visit).expect("a graph");
        for int8 in [Int8::Static(ranges), Int8::Dynamic] {
            let function = compile(|[x]: [&Tensor; 1]| logits(x)).quantized(int8);
            set_threads(1);
            let all = function.call([&x]).expect("results").swap_remove(0);
            for threads in [2, 3, 8] {
                set_threads(threads);
                assert_eq!(function.call([&x]).expect("results")[0].to_bytes(), all.to_bytes());
            }
            set_threads(0);
            for i in 0..7 {
                let one = function.call([&x.narrow(0, i, 1)]).expect("results").swap_remove(0);
                assert_eq!(one.to_bytes(), all.narrow(0, i, 1).to_bytes());
            }
        }
    });
}

#[test]
fn what_has_no_range_stays_as_it_is() {
    no_grad(|| {
        let network = Network::new();
        let x = numbers(&[2, 3, 14, 14], 2.0, 1.5);
        let function = compile(|[x]: [&Tensor; 1]| network.logits(x)).quantized(Int8::Static(Ranges::new()));
        let plain = compile(|[x]: [&Tensor; 1]| network.logits(x)).for_inference();
        let (found, expected) = (function.call([&x]).expect("results"), plain.call([&x]).expect("results"));
        assert!(found.iter().zip(&expected).all(|(a, b)| a.to_bytes() == b.to_bytes()));
    });
}

/// Rows that are bytes already, by weights that are: no difference but for the rounding of the last sum.
#[test]
fn a_dense_layer_may_find_its_ranges_itself() {
    no_grad(|| {
        let weight = Tensor::from_vec((0..20).map(|i| (i * 37 % 255) as f32 - 127.0).collect::<Vec<_>>(), [2, 10]);
        let weight = Tensor::cat(&[&weight, &Tensor::full([2, 1], 127.0f32)], 1);
        let x = Tensor::from_vec((0..33).map(|i| (i * 29 % 256) as f32).collect::<Vec<_>>(), [3, 11]);
        let x = Tensor::cat(&[&x, &Tensor::from([[0.0f32, 255.0]]).expand([3, 2])], 1);
        let weight = Tensor::cat(&[&weight, &Tensor::zeros([2, 2])], 1);
        let function = compile(|[x]: [&Tensor; 1]| x.linear(&weight, None)).quantized(Int8::Dynamic);
        assert!(function.graph([&x]).expect("a graph").to_string().contains("dynamic_quantized_linear("));
        let error = largest(&function.call([&x]).sub(x.linear(&weight, None)));
        assert!(error < 1e-2, "{error}");
    });
}
