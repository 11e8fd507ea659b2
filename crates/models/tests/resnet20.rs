//! ResNet-20 with the weights of a published PyTorch checkpoint, where they and CIFAR-10's test images are at hand.

use hadal_core::format::{npz, pytorch};
use hadal_core::testing::assert_close;
use hadal_core::{DType, ModuleExt, Tensor, no_grad};
use hadal_data::transforms::{Normalize, Pipeline};
use hadal_data::{Loader, Split, datasets};
use hadal_models::resnet20;
use hadal_nn::{Layer, Strictness, load_state_dict};
use std::path::{Path, PathBuf};

/// A file or folder in the folder that the environment names.
fn find(variable: &str, name: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).map(|folder| Path::new(&folder).join(name)).filter(|path| path.exists());
    if path.is_none() {
        println!("skipped: {name} is not in ${variable}");
    }
    path
}

#[test]
fn it_has_the_parameters_of_the_original() {
    assert_eq!(resnet20(3, 10).parameter_count(), 269_722);
}

/// The checkpoint is akamaster/pytorch_resnet_cifar10's; its published accuracy on the 10,000 test images is 91.73 %.
/// On the first 3,000 of them PyTorch finds 2,745.
#[test]
fn a_published_checkpoint_gives_its_logits_and_its_accuracy() {
    let Some(folder) = find("HADAL_MODELS", "resnet-cifar10") else { return };
    let Some(data) = find("HADAL_DATA", "cifar10-subset") else { return };
    let weights = pytorch::read_state_dict(folder.join("resnet20-12fca82f.th")).unwrap();
    let model = resnet20(3, 10);
    let loaded = load_state_dict(&model, &weights.tensors, Strictness::Strict).unwrap();
    assert_eq!((loaded.loaded, loaded.missing.len()), (97, 19));
    model.eval();

    let test = datasets::load(datasets::Name::Cifar10, Split::Test, Some(&data), &mut |_| ()).unwrap();
    let normalize = Normalize::new(&[0.485, 0.456, 0.406], &[0.229, 0.224, 0.225]);
    let loader = Loader::new(test, 100).transform(Pipeline::new().then(normalize));
    let (mut right, mut samples, mut first) = (0, 0, None);
    for batch in loader.epoch(0) {
        let batch = batch.unwrap();
        let logits = no_grad(|| model.forward(&batch.input));
        right += logits.argmax(1).eq(&batch.target).to_dtype(DType::I64).sum(..).item::<i64>();
        samples += batch.len();
        first.get_or_insert(logits);
    }
    let recorded = npz::read(folder.join("resnet20-12fca82f.first64_logits.npz")).unwrap();
    let first: Tensor = first.unwrap().narrow(0, 0, 64);
    assert_close(&first, &recorded["logits"], 1e-5, "logits of the first 64 images");
    println!("ResNet-20: {right} of {samples} test images are right");
    assert_eq!((samples, right), (3000, 2745));
}
