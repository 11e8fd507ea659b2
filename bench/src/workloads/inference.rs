//! W9: predictions of models in evaluation mode, without gradients.

use super::{Measure, Workload};
use hadal::models;
use hadal::prelude::*;

/// `W9_NAME_bBATCH`, as in the peers' programs, which read name and batch from it.
pub fn all() -> Vec<Workload> {
    vec![
        image("resnet18", 1, || Box::new(models::resnet18(3, 1000))),
        image("resnet18", 16, || Box::new(models::resnet18(3, 1000))),
        image("resnet50", 1, || Box::new(models::resnet50(3, 1000))),
        image("mobilenet_v2", 1, || Box::new(models::mobilenet_v2(3, 1000))),
        image("vit_b_16", 1, || Box::new(models::vit_b_16(3, 1000))),
        workload("W9_bert_base_s128_b1".into(), "BERT-base, 128 tokens".into(), 1, || {
            let tokens = Tensor::randint(0, 30522, [1, 128]);
            (Box::new(models::Bert::new(&models::BertSize::default())), tokens)
        }),
        workload("W9_mlp_seed4_b1".into(), "784-128-10 with ReLU".into(), 1, || {
            let model = Sequential::new().add(Linear::new(784, 128)).add(Relu).add(Linear::new(128, 10));
            (Box::new(model), Tensor::randn([1, 784]))
        }),
    ]
}

/// Predictions of what `make` gives for an input, eager and as a graph for inference.
fn workload(
    name: String,
    about: String,
    batch: usize,
    make: impl Fn() -> (Box<dyn Layer>, Tensor) + Copy + 'static,
) -> Workload {
    let evaluated = move || {
        let (model, x) = make();
        model.eval();
        model.named_parameters(); // gives the layers their names, for a profile
        (model, x)
    };
    let eager = move || -> Box<dyn FnMut()> {
        let (model, x) = evaluated();
        Box::new(move || drop(no_grad(|| model.forward(&x))))
    };
    Workload::new(name, about, Measure::Inference { batch }, eager).with_compiled(move || {
        let (model, x) = evaluated();
        let graph = compile(move |[x]: [&Tensor; 1]| model.forward(x)).for_inference();
        Box::new(move || drop(no_grad(|| graph.call([&x]))))
    })
}

fn image(name: &'static str, batch: usize, model: fn() -> Box<dyn Layer>) -> Workload {
    let about = format!("{name}, images 3×224×224");
    workload(format!("W9_{name}_b{batch}"), about, batch, move || (model(), Tensor::randn([batch, 3, 224, 224])))
}
