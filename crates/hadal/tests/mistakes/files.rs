//! Weights, checkpoints and models from files.

use super::{Folder, check, compare, text_in};
use hadal::format::model_file::ModelFile;
use hadal::format::{npy, pytorch, safetensors};
use hadal::models::{ALL, Spec, build};
use hadal::nn::{StateDict, Strictness};
use hadal::prelude::*;
use hadal::train::checkpoint;
use std::collections::BTreeMap;

fn model() -> Sequential {
    Sequential::new().named("fc1", Linear::new(4, 3)).add(Relu).named("fc2", Linear::new(3, 2))
}

fn load(state: StateDict) -> Result<()> {
    load_state_dict(&model(), &state, Strictness::Strict).map(drop)
}

#[test]
fn weights_of_another_model() {
    check(&[
        (
            "a layer that the file does not have, and one that the model does not have",
            || {
                let mut state = state_dict(&model());
                let weight = state.remove("fc2.weight").unwrap();
                state.insert("classifier.weight".into(), weight);
                load(state)
            },
            "the state does not fit the model\n  1 missing from the file:\n    fc2.weight\n  1 not in the model:\n    \
             classifier.weight",
        ),
        (
            "a classifier for other classes",
            || {
                load(state_dict(
                    &Sequential::new().named("fc1", Linear::new(4, 3)).add(Relu).named("fc2", Linear::new(3, 1000)),
                ))
            },
            "the state does not fit the model\n  2 of another shape:\n    fc2.bias: the model has [2], the file \
             [1000]\n    fc2.weight: the model has [2, 3], the file [1000, 3]",
        ),
        (
            "an empty file",
            || load(StateDict::new()),
            "the state does not fit the model\n  4 missing from the file:\n    fc1.bias\n    fc1.weight\n    \
             fc2.bias\n    fc2.weight",
        ),
        (
            "a prefix that all names share is fine",
            || load(state_dict(&model()).into_iter().map(|(n, t)| (format!("module.{n}"), t)).collect()),
            "(nothing)",
        ),
    ]);
}

#[test]
fn models_by_name() {
    let spec = |input: &[usize]| Spec { input: input.to_vec(), outputs: 10 };
    let said = [
        ("resnet-18", spec(&[3, 32, 32]), "no model is called `resnet-18`; did you mean `resnet18`? There are MODELS"),
        ("transformer", spec(&[3, 32, 32]), "no model is called `transformer`; there are MODELS"),
        ("lenet", spec(&[1, 8, 8]), "lenet needs larger images than 8 × 8"),
        ("cnn", spec(&[13]), "cnn takes images [channels, height, width], got samples of shape [13]; use mlp"),
        ("mlp", spec(&[1, 0, 28]), "mlp cannot be built for input [1, 0, 28] and 10 outputs"),
    ]
    .map(|(name, spec, message)| {
        let said = build(name, &spec).err().unwrap().to_string();
        (name, said.replace(&ALL.map(|entry| entry.name).join(", "), "MODELS"), message)
    });
    compare(&said);
}

#[test]
fn wrong_files() {
    let folder = Folder::new("files");
    let text = folder.write("notes.txt", "hello, world: this is not a file of weights");
    let plain = folder.0.join("plain.safetensors");
    safetensors::write(&plain, &state_dict(&model()), &BTreeMap::new()).unwrap();
    let optimizer = || Sgd::new(0.1).momentum(0.9).optimize(model().parameters());
    compare(&[
        (
            "text as safetensors",
            text_in(&folder.0, safetensors::read(&text)),
            "notes.txt: claims a header of 8583909746840200552 bytes, but only 35 follow: it is truncated or not a \
            safetensors file",
        ),
        (
            "text as PyTorch's",
            text_in(&folder.0, pytorch::read_state_dict(&text)),
            "notes.txt: is not a PyTorch file: it is neither a zip archive nor a pickle",
        ),
        (
            "text as npy",
            text_in(&folder.0, npy::read(&text)),
            "notes.txt: is not an npy file: it does not begin with \\x93NUMPY",
        ),
        (
            "safetensors as PyTorch's",
            text_in(&folder.0, pytorch::read_state_dict(&plain)),
            "plain.safetensors: is not a PyTorch file: it is neither a zip archive nor a pickle",
        ),
        (
            "plain weights as a model",
            text_in(&folder.0, ModelFile::read(&plain)),
            "plain.safetensors: holds 4 tensors but no model: its metadata lacks `hadal.architecture`, which says how \
            to build one; these are plain weights, to be loaded into a model that you name",
        ),
        (
            "plain weights as a checkpoint",
            text_in(&folder.0, checkpoint::restore(&plain, &model(), &optimizer())),
            "plain.safetensors: is no checkpoint of a training run: it lacks `hadal.epoch`",
        ),
    ]);

    let saved = folder.0.join("checkpoint.safetensors");
    checkpoint::save(&saved, &model(), &optimizer(), Default::default()).unwrap();
    let (same, other) =
        (model(), Sequential::new().named("fc1", Linear::new(4, 3)).add(Relu).named("fc2", Linear::new(3, 5)));
    let sgd = Sgd::new(0.1).momentum(0.9).optimize(other.parameters());
    let adam = Adam::new(0.1).optimize(same.parameters());
    compare(&[
        (
            "the checkpoint of another model",
            text_in(&folder.0, checkpoint::restore(&saved, &other, &sgd)),
            "checkpoint.safetensors: was saved with another model: `fc2.weight` is f32 [2, 3] in the file and f32 [5, 3] here \
             (and 1 more)",
        ),
        (
            "the checkpoint of another optimizer",
            text_in(&folder.0, checkpoint::restore(&saved, &same, &adam)),
            "checkpoint.safetensors: was saved with another optimizer: `fc1.weight.exp_avg` is not in the file (and 11 more)",
        ),
    ]);
}
