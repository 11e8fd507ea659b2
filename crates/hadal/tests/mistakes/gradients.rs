//! Gradients that are not there, and optimizers that cannot work.

use super::{check, done, labels, ones};
use hadal::detect_anomaly;
use hadal::prelude::*;

fn model() -> Linear {
    Linear::new(4, 3)
}

fn loss(model: &Linear) -> Tensor {
    cross_entropy(&model.forward(&ones(&[2, 4])), &labels(&[0, 1]))
}

#[test]
fn backward() {
    check(&[
        (
            "one loss per sample",
            || {
                let each = CrossEntropy::new().reduction(Reduction::None);
                done(each.forward(&model().forward(&ones(&[2, 4])), &labels(&[0, 1])).backward())
            },
            "backward needs a scalar, got shape [2]: reduce the loss with .mean(..) or .sum(..), or use \
             backward_from(&seed)",
        ),
        (
            "twice",
            || {
                let loss = loss(&model());
                loss.backward();
                done(loss.backward())
            },
            "backward reached `div` of a graph that was already walked and freed: compute the result again, or keep \
             it with Keep::Graph",
        ),
        (
            "without a graph",
            || done(no_grad(|| loss(&model())).backward()),
            "backward found no history: the result was computed from tensors without gradient (constants, .detach(), \
             no_grad, or frozen parameters)",
        ),
        (
            "a detached output, as `outputs.data`",
            || {
                let outputs = model().forward(&ones(&[2, 4])).detach();
                done(cross_entropy(&outputs, &labels(&[0, 1])).backward())
            },
            "backward found no history: the result was computed from tensors without gradient (constants, .detach(), \
             no_grad, or frozen parameters)",
        ),
        (
            "everything frozen",
            || {
                let model = model();
                model.freeze();
                done(loss(&model).backward())
            },
            "backward found no history: the result was computed from tensors without gradient (constants, .detach(), \
             no_grad, or frozen parameters)",
        ),
        (
            "the gradient of a result that is no leaf",
            || {
                let x = ones(&[2]).requires_grad();
                let y = x.exp();
                y.sum(..).backward().of(&y).map(drop)
            },
            "gradient can be read for leaves only; for other tensors use grad(&[&y], &[], &[&x], …)",
        ),
        (
            "a loss of labels that were predicted",
            || {
                let predicted = model().forward(&ones(&[2, 4])).argmax(1).to_dtype(DType::F32);
                done(mse_loss(&predicted, &ones(&[2]), Reduction::Mean).backward())
            },
            "backward found no history: the result was computed from tensors without gradient (constants, .detach(), \
             no_grad, or frozen parameters)",
        ),
        (
            "the logarithm of zero, looked for",
            || {
                let layer = model();
                hadal::scope::within("head", || detect_anomaly(|| done((layer.forward(&ones(&[1, 4])) * 0.0).log())))
            },
            "head: log made -inf at [0, 0] of its result of shape [1, 3]",
        ),
        (
            "the number in a tensor of two",
            || done(ones(&[2]).item::<f32>()),
            "item needs a tensor with one element, got shape [2]",
        ),
    ]);
}

#[test]
fn optimizers() {
    check(&[
        (
            "no parameters",
            || done(Adam::new(1e-3).optimize([])),
            "Adam got no parameters: give it model.parameters(), and each group at least one",
        ),
        (
            "the parameters of a model that has none",
            || done(Sgd::new(0.1).optimize(Sequential::new().add(Relu).parameters())),
            "Sgd got no parameters: give it model.parameters(), and each group at least one",
        ),
        (
            "a parameter in two groups",
            || {
                let model = model();
                let optimizer = Sgd::new(0.1).optimize(model.parameters());
                done(optimizer.group(Sgd::new(0.01), model.bias.clone()))
            },
            "Sgd got parameter `bias` twice; give each to one group",
        ),
        (
            "the parameters of another model",
            || {
                let other = model();
                let optimizer = Sgd::new(0.1).optimize(other.parameters());
                optimizer.step(&loss(&model()).backward())
            },
            "Sgd got gradients of none of its parameters: it was made for another model, or the loss does not depend \
             on this one",
        ),
        (
            "a layer that the forward pass forgets",
            || {
                let model =
                    Sequential::new().named("used", model()).named("forgotten", Relu).named("head", Linear::new(3, 2));
                let optimizer = Sgd::new(0.1).optimize(model.parameters());
                let first = model.iter().next().unwrap().forward(&ones(&[2, 4]));
                optimizer.step(&cross_entropy(&first, &labels(&[0, 1])).backward())
            },
            "gradient of parameter `head.weight`: the loss does not depend on it; use it in the forward pass, freeze \
             it (param.freeze()), or leave it out of the optimizer",
        ),
        (
            "a negative learning rate",
            || done(Adam::new(-1e-3)),
            "Adam needs a finite learning rate that is 0 or more, got -0.001",
        ),
        (
            "a learning rate that is not a number",
            || done(Sgd::new(f64::NAN)),
            "Sgd needs a finite learning rate that is 0 or more, got NaN",
        ),
        (
            "a negative rate later",
            || {
                Sgd::new(0.1).optimize(model().parameters()).set_lr(-0.1);
                Ok(())
            },
            "set_lr needs a finite learning rate that is 0 or more, got -0.1",
        ),
        (
            "a beta of 1",
            || done(Adam::new(1e-3).betas(0.9, 1.0)),
            "Adam needs a finite second beta that is in 0.0..1.0, got 1.0",
        ),
        (
            "a negative weight decay",
            || done(AdamW::new(1e-3).weight_decay(-0.01)),
            "Adam needs a finite weight decay that is 0 or more, got -0.01",
        ),
        (
            "a negative momentum",
            || done(Sgd::new(0.1).momentum(-0.9)),
            "Sgd needs a finite momentum that is 0 or more, got -0.9",
        ),
        (
            "Nesterov's method without momentum",
            || done(Sgd::new(0.1).nesterov().optimize(model().parameters())),
            "Sgd with nesterov needs a momentum and no dampening: Sgd::new(lr).momentum(0.9).nesterov()",
        ),
        (
            "half precision parameters",
            || {
                let model = model();
                model.to_dtype(DType::F16);
                let optimizer = Sgd::new(0.1).optimize(model.parameters());
                let logits = model.forward(&ones(&[2, 4]).to_dtype(DType::F16));
                optimizer.step(&cross_entropy(&logits, &labels(&[0, 1])).backward())
            },
            "Sgd updates f32 and f64 parameters; `weight` is f16",
        ),
        (
            "a negative limit of the gradients' norm",
            || done(clip_by_global_norm(&mut loss(&model()).backward(), -1.0)),
            "clip_by_global_norm needs a finite limit that is 0 or more, got -1.0",
        ),
        (
            "an image into a parameter",
            || model().weight.set(&ones(&[28, 28])),
            "parameter `(not yet named)` has shape [3, 4], got [28, 28]",
        ),
    ]);
}
