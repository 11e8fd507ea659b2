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
        Workload::new("W9_bert_base_s128_b1", "BERT-base, 128 tokens", Measure::Inference { batch: 1 }, || {
            let tokens = Tensor::randint(0, 30522, [1, 128]);
            predicting(Box::new(models::Bert::new(&models::BertSize::default())), tokens)
        }),
        Workload::new("W9_mlp_seed4_b1", "784-128-10 with ReLU", Measure::Inference { batch: 1 }, || {
            let model = Sequential::new().add(Linear::new(784, 128)).add(Relu).add(Linear::new(128, 10));
            predicting(Box::new(model), Tensor::randn([1, 784]))
        }),
    ]
}

fn image(name: &'static str, batch: usize, model: fn() -> Box<dyn Layer>) -> Workload {
    let about = format!("{name}, images 3×224×224");
    Workload::new(format!("W9_{name}_b{batch}"), about, Measure::Inference { batch }, move || {
        predicting(model(), Tensor::randn([batch, 3, 224, 224]))
    })
}

fn predicting(model: Box<dyn Layer>, x: Tensor) -> Box<dyn FnMut()> {
    model.eval();
    model.named_parameters(); // gives the layers their names, for a profile
    Box::new(move || drop(no_grad(|| model.forward(&x))))
}
