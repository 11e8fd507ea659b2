//! Prints how long a ResNet-18 takes in `f32` and in bytes, and how far the results are apart:
//! `cargo run --release -p hadal-models --example int8`.

use hadal_core::compile::{Graphs, Int8, Ranges};
use hadal_core::{ModuleExt, Tensor, compile, no_grad};
use hadal_models::resnet::resnet18;
use hadal_nn::Layer;
use std::time::Instant;

fn main() {
    let model = resnet18(3, 1000);
    model.eval();
    no_grad(|| {
        let images = Tensor::randn([8, 3, 224, 224]);
        let mut ranges = Ranges::new();
        let mut visit = |name: &str, x: &Tensor, _: Option<(f32, f32)>| {
            let (low, high) = (x.amin(..).item::<f32>(), x.amax(..).item::<f32>());
            let range = ranges.entry(name.to_owned()).or_insert((low, high));
            *range = (range.0.min(low), range.1.max(high));
        };
        let forward = |x: &[Tensor]| Ok(vec![model.forward(&x[0])]);
        Graphs::default().observe(&[&images], &forward, &mut visit).expect("a graph");
        let plain = compile(|[x]: [&Tensor; 1]| model.forward(x)).for_inference();
        let bytes = compile(|[x]: [&Tensor; 1]| model.forward(x)).quantized(Int8::Static(ranges));
        let (a, b) = (plain.call([&images]), bytes.call([&images]));
        let error = (&a - &b).abs().amax(..).item::<f32>() / a.abs().amax(..).item::<f32>();
        println!("largest difference, of the largest logit: {error:.4}");
        for batch in [1, 8] {
            let x = images.narrow(0, 0, batch).contiguous();
            // In turns, so that both meet the same machine; the best counts.
            let mut best = [f64::INFINITY; 2];
            for _ in 0..30 {
                let start = Instant::now();
                plain.call([&x]);
                best[0] = best[0].min(start.elapsed().as_secs_f64());
                let start = Instant::now();
                bytes.call([&x]);
                best[1] = best[1].min(start.elapsed().as_secs_f64());
            }
            let [plain, bytes] = best.map(|seconds| seconds * 1e3);
            println!("batch {batch}: f32 {plain:.2} ms, bytes {bytes:.2} ms, {:.2} times", plain / bytes);
        }
    });
}
