//! Graphs of bytes against the functions that they stand for.

use hadal_core::compile::{Graphs, Int8, Ranges, deferred};
use hadal_core::{Border, ByteResult, ByteWeight, Convolution, DType, Pooling, Result, Tensor, compile, no_grad};
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
        let mut visit = |name: &str, x: &Tensor, _: Option<(f32, f32)>| {
            let values = x.to_vec::<f32>();
            let range = ranges.entry(name.to_owned()).or_insert((0.0f32, 0.0f32));
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
        let mut visit = |name: &str, x: &Tensor, _: Option<(f32, f32)>| {
            ranges.insert(name.to_owned(), (-largest(x) as f32, largest(x) as f32));
        };
        Graphs::default().observe(&[&x], &|x| logits(&x[0]), &mut visit).expect("a graph");
        for int8 in [Int8::Static(ranges), Int8::Dynamic, Int8::Weights] {
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

/// On maps of one row, of a kernel of three the first and the last only meet padding.
#[test]
fn what_of_a_kernel_only_meets_padding_is_left_out() {
    let bytes = |weight: &Tensor, padding: [usize; 2], x: &Tensor| {
        let network = |x: &Tensor| vec![x.conv2d(weight, None, &Convolution::new().padding(padding))];
        let mut ranges = Ranges::new();
        let mut visit = |name: &str, _: &Tensor, _: Option<(f32, f32)>| {
            ranges.insert(name.to_owned(), (-1.0, 2.0));
        };
        Graphs::default().observe(&[x], &|x| Ok(network(&x[0])), &mut visit).expect("a graph");
        let function = compile(|[x]: [&Tensor; 1]| network(x)).quantized(Int8::Static(ranges));
        assert!(function.graph([x]).expect("a graph").to_string().contains("quantized_convolution("));
        function.call([x]).swap_remove(0)
    };
    no_grad(|| {
        for size in [[1, 1], [1, 6], [5, 1]] {
            let (x, small) = (numbers(&[3, 20, size[0], size[1]], 2.0, 1.5), numbers(&[8, 20, 3, 3], 1.1, 0.2));
            // The largest weight of each output is in the middle, so that the scales of the parts are those of the whole.
            let middle = numbers(&[8, 20, 1, 1], 1.3, 0.5).pad([(1, 1), (1, 1)], Border::ZEROS);
            let weight = &small + &middle;
            let kept: Vec<usize> = size.iter().map(|&size| if size == 1 { 1 } else { 3 }).collect();
            let part =
                weight.narrow(2, usize::from(kept[0] == 1), kept[0]).narrow(3, usize::from(kept[1] == 1), kept[1]);
            let expected = bytes(&part, [kept[0] / 2, kept[1] / 2], &x);
            assert_eq!(bytes(&weight, [1, 1], &x).to_bytes(), expected.to_bytes(), "{size:?}");
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

/// A weight rounded to the bytes of each output.
fn rounded(weight: &Tensor) -> Tensor {
    let others: Vec<usize> = (1..weight.rank()).collect();
    let scale = weight.abs().amax(&others[..]).div(127.0);
    weight.fake_quantize_per_channel(&scale, &scale.zeros_like(), 0, -127..=127)
}

/// Weights alone: dense layers keep bytes, convolutions numbers that bytes stand for.
#[test]
fn weights_alone_may_be_bytes() {
    no_grad(|| {
        let network = Network::new();
        let x = numbers(&[3, 3, 14, 14], 2.0, 1.5);
        let function = compile(|[x]: [&Tensor; 1]| network.logits(x)).quantized(Int8::Weights);
        let graph = function.graph([&x]).expect("a graph").to_string();
        assert_eq!(graph.matches("weight_quantized_linear(").count(), 1, "{graph}");
        assert_eq!(graph.matches("conv2d(").count(), 4, "{graph}");
        let [first, second, third, shortcut, dense] =
            [&network.first, &network.second, &network.third, &network.shortcut, &network.dense].map(rounded);
        let of_numbers = Network { first, second, third, shortcut, dense, bias: network.bias.clone() };
        let (found, expected) = (function.call([&x]).expect("results"), of_numbers.logits(&x).expect("results"));
        for (found, expected) in found.iter().zip(&expected) {
            let error = largest(&found.sub(expected)) / largest(expected);
            assert!(error < 1e-5, "{error}");
        }
        let other = network.logits(&x).expect("results");
        assert!(largest(&found[2].sub(&other[2])) > 1e-3 * largest(&other[2]));
    });
}

/// Fake quantization before each product is taken for the range of what the product reads: also behind a maximum, whose
/// input then becomes bytes of that range, and through another shape.
#[test]
fn ranges_that_were_learned_are_those_of_the_bytes() {
    no_grad(|| {
        let network = Network::new();
        let x = numbers(&[2, 3, 14, 14], 2.0, 1.5);
        let [first, second, dense] = [&network.first, &network.second, &network.dense].map(rounded);
        let function = |x: &Tensor| {
            let same = Convolution::new().padding(1);
            let x = x.fake_quantize(0.012, 128, 0..=255).conv2d(&first, None, &same).relu();
            let x = x.max_pool2d(&Pooling::new(2)).fake_quantize(0.021, 0, 0..=255);
            let y = x.conv2d(&second, Some(&network.bias), &same).relu().mean([2, 3]);
            vec![y.fake_quantize(0.006, 0, 0..=255).linear(&dense, None), y]
        };
        let mut ranges = Ranges::new();
        let mut visit = |name: &str, _: &Tensor, learned: Option<(f32, f32)>| {
            ranges.insert(name.to_owned(), learned.expect("a range"));
        };
        Graphs::default().observe(&[&x], &|x| Ok(function(&x[0])), &mut visit).expect("a graph");
        let quantized = compile(|[x]: [&Tensor; 1]| function(x)).quantized(Int8::Static(ranges.clone()));
        let graph = quantized.graph([&x]).expect("a graph").to_string();
        let count = |name: &str| graph.matches(name).count();
        assert_eq!((count("fake_quantize"), count("quantized_convolution("), count("quantized_max_pool(")), (0, 3, 1));
        let near = |(low, high): (f32, f32), expected: (f32, f32)| {
            (low - expected.0).abs() < 1e-5 && (high - expected.1).abs() < 1e-5
        };
        let mut found: Vec<(f32, f32)> = ranges.values().copied().collect();
        found.sort_by(|a, b| a.1.total_cmp(&b.1));
        assert!(near(found[0], (-128.0 * 0.012, 127.0 * 0.012)) && near(found[1], (0.0, 255.0 * 0.006)), "{found:?}");
        assert!(found[2..].iter().all(|&range| near(range, (0.0, 255.0 * 0.021))) && found.len() == 4, "{found:?}");
        // No sum lies so near the middle of two steps that the order of its terms decides.
        let (found, expected) = (quantized.call([&x]), function(&x));
        for (found, expected) in found.iter().zip(&expected) {
            let error = largest(&found.sub(expected)) / largest(expected);
            assert!(error < 1e-5, "{error}");
        }
    });
}

/// A scale and a zero point.
fn steps(scale: f32, zero: impl Into<Tensor>) -> (Tensor, Tensor) {
    (Tensor::from(scale), zero.into())
}

/// Numbers as bytes and back, as quantized models are written.
fn stepped(x: &Tensor, (scale, zero): &(Tensor, Tensor)) -> Tensor {
    x.quantize_linear(scale, zero).dequantize_linear(scale, zero)
}

#[test]
fn products_between_dequantized_bytes_are_products_of_bytes() {
    let byte = |shape: &[usize], seed: f64| numbers(shape, seed, 120.0).round().to_dtype(DType::I8);
    let (first, second, dense) = (byte(&[8, 3, 3, 3], 1.0), byte(&[8, 8, 3, 3], 1.1), byte(&[8, 5], 1.2));
    let bias = numbers(&[8], 1.3, 0.3);
    let scales = Tensor::linspace(0.001, 0.004, 8).reshape([8, 1, 1, 1]);
    let weight =
        |bytes: &Tensor, scale: &Tensor| deferred(bytes).dequantize_linear(scale, &Tensor::zeros_with((), DType::I8));
    let same = Convolution::new().padding(1);
    for (small, wide) in [(steps(0.02, 100u8), steps(0.05, 0u8)), (steps(0.02, -28i8), steps(0.05, -128i8))] {
        let network = |x: &Tensor| {
            let x = stepped(x, &small);
            let y = stepped(&x.conv2d(&weight(&first, &scales), Some(&bias), &same).relu(), &wide);
            let y = stepped(&y.max_pool2d(&Pooling::new(2)), &wide);
            let z = stepped(&y.conv2d(&weight(&second, &Tensor::from(0.002f32)), None, &same), &small);
            let z = stepped(&(&z + &y).relu(), &wide);
            stepped(&z.mean([2, 3]), &wide).matmul(weight(&dense, &Tensor::from(0.01f32)))
        };
        no_grad(|| {
            let x = numbers(&[3, 3, 10, 10], 2.0, 2.0);
            let function = compile(|[x]: [&Tensor; 1]| network(x)).for_inference();
            let graph = function.graph([&x]).expect("a graph").to_string();
            let count = |name: &str| graph.matches(name).count();
            assert_eq!(count("quantized_convolution("), 3, "{graph}");
            assert_eq!((count("quantized_max_pool("), count("quantized_sum(")), (1, 1), "{graph}");
            // The images become bytes and those of the last sum numbers, for the mean; its result becomes bytes.
            assert_eq!(
                (count(" quantize_images("), count("unpack_images("), count(" pack_images(")),
                (2, 1, 0),
                "{graph}"
            );
            assert_eq!((count("quantize_linear"), count("conv2d")), (1, 0), "{graph}");
            // A number near the middle of two steps may become the other one.
            let error = largest(&function.call([&x]).sub(network(&x)));
            assert!(error < 0.2, "{error}");
            let exact = compile(|[x]: [&Tensor; 1]| network(x));
            assert_eq!(exact.call([&x]).to_bytes(), network(&x).to_bytes());
        });
    }
}

/// Against the formula of the specification, in `f64`: sums of integers, scaled and rounded once.
#[test]
fn sums_of_bytes_become_bytes_as_the_formula_says() {
    for (dtype, zero, low) in [(DType::U8, 131i32, 0.0f64), (DType::I8, -3, -128.0)] {
        let whole = |shape: &[usize], seed: f64, low: f64| numbers(shape, seed, 127.0).round().add(low + 128.0).round();
        let x = whole(&[2, 3, 9, 8], 1.0, low).to_dtype(dtype);
        let weight = whole(&[5, 3, 3, 2], 1.1, -128.0).to_dtype(DType::I8);
        let bias = whole(&[5], 1.2, -128.0).mul(50.0).to_dtype(DType::I32);
        let scale = Tensor::linspace(0.0005, 0.002, 5);
        let options = Convolution::new().padding(1).stride(2);
        let packed = ByteWeight::new(&weight, None, 1).expect("a weight of bytes");
        let zero = Tensor::from(zero).to_dtype(dtype);
        let sums = packed.sums(&x, Some(&zero), &options).expect("sums");
        let wide = x.to_dtype(DType::F64).sub(zero.to_dtype(DType::F64));
        let expected = wide.conv2d(&weight.to_dtype(DType::F64), None, &options);
        assert_eq!(sums.to_f64_vec(), expected.to_f64_vec());
        let channel = |t: &Tensor| t.reshape([5, 1, 1]);
        let biased = sums.add(channel(&bias)).to_dtype(DType::F32).mul(channel(&scale));
        let expected = biased.quantize_linear(&Tensor::from(1.0f32), &zero);
        let result = ByteResult { scale, bias: Some(bias), zero: zero.clone() };
        let found = packed.bytes(&x, &zero, &result, &options).expect("bytes");
        assert_eq!((found.dtype(), found.shape()), (dtype, expected.shape()));
        assert_eq!(found.to_bytes(), expected.to_bytes());
    }
    // Differences beyond a signed byte, and several groups of several channels, are none of its.
    let extremes = Tensor::from([[0u8, 255]]);
    assert!(ByteWeight::new(&extremes, Some(&Tensor::from(128u8)), 1).is_some());
    assert!(ByteWeight::new(&extremes, Some(&Tensor::from(0u8)), 1).is_none());
    assert!(ByteWeight::new(&Tensor::zeros_with([4, 2, 1], DType::I8), None, 2).is_none());
}
