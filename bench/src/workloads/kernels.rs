//! W10: single operations of the sizes that the peers' programs read from the names.

use super::{Measure, Workload};
use hadal::prelude::*;
use hadal::{Convolution, Tensor};

pub fn all() -> Vec<Workload> {
    let cubes = [64, 128, 256, 512, 1024, 2048].map(|n| [n, n, n]);
    let products = cubes.into_iter().chain([[64, 784, 128], [1, 768, 3072], [2048, 256, 1024]]);
    let convolutions = [[32, 64, 56, 64], [100, 3, 32, 16], [32, 256, 14, 256]];
    let mut all: Vec<Workload> = products.map(sgemm).collect();
    all.extend(convolutions.into_iter().flat_map(|sizes| [convolution(sizes, false), convolution(sizes, true)]));
    all.extend(elementwise());
    all
}

fn sgemm([m, k, n]: [usize; 3]) -> Workload {
    let measure = Measure::Arithmetic { flops: 2.0 * (m * k * n) as f64 };
    Workload::new(format!("W10_sgemm_{m}x{k}x{n}"), format!("[{m}, {k}] · [{k}, {n}]"), measure, move || {
        let (a, b) = (Tensor::randn([m, k]), Tensor::randn([k, n]));
        Box::new(move || drop(a.matmul(&b)))
    })
}

fn convolution([n, c, size, k]: [usize; 4], backward: bool) -> Workload {
    let flops = 2.0 * (n * k * c * 9 * size * size) as f64 * if backward { 3.0 } else { 1.0 };
    let (what, about) = if backward { ("fwd_bwd", " and both gradients") } else { ("fwd", "") };
    let name = format!("W10_conv2d_{what}_N{n}_C{c}_{size}x{size}_K{k}");
    let about = format!("[{n}, {c}, {size}, {size}], {k} filters 3×3{about}");
    Workload::new(name, about, Measure::Arithmetic { flops }, move || {
        let options = Convolution::new().padding(1);
        let (x, w) = (Tensor::randn([n, c, size, size]), Tensor::randn([k, c, 3, 3]));
        if !backward {
            return Box::new(move || drop(x.conv2d(&w, None, &options)));
        }
        let (x, w, seed) = (x.requires_grad(), w.requires_grad(), Tensor::randn([n, k, size, size]));
        Box::new(move || {
            let y = x.conv2d(&w, None, &options);
            grad(&[&y], &[Some(&seed)], &[&x, &w], Keep::Nothing).expect("the result depends on both");
        })
    })
}

/// One read and one write of every element.
fn elementwise() -> Vec<Workload> {
    type Apply = fn(&Tensor) -> Tensor;
    let many: &[usize] = &[1 << 24];
    let rows: [(&str, &str, &[usize], Apply); 6] = [
        ("softmax_4096x4096", "softmax of rows of [4096, 4096]", &[4096, 4096], |x| x.softmax(-1)),
        ("layernorm_4096x1024", "layer norm of rows of [4096, 1024]", &[4096, 1024], |x| {
            x.layer_norm(1024, Some(&Tensor::ones([1024])), Some(&Tensor::ones([1024])), 1e-5)
        }),
        ("gelu_erf_16M", "gelu of 16M numbers", many, |x| x.gelu()),
        ("gelu_tanh_16M", "gelu by tanh of 16M numbers", many, |x| x.gelu_tanh()),
        ("relu_16M", "relu of 16M numbers", many, |x| x.relu()),
        ("add_16M", "1 added to 16M numbers", many, |x| x.add(1.0)),
    ];
    let workload = |(name, about, shape, apply): (&str, &str, &'static [usize], Apply)| {
        let bytes = (2 * shape.iter().product::<usize>() * size_of::<f32>()) as f64;
        Workload::new(format!("W10_elementwise_{name}"), about, Measure::Memory { bytes }, move || {
            let x = Tensor::randn(shape);
            Box::new(move || drop(apply(&x)))
        })
    };
    rows.into_iter().map(workload).collect()
}
