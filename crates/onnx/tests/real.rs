//! Real architectures with the outputs that others computed, where the shared files are at hand.

use hadal_core::format::npz;
use hadal_core::{Tensor, no_grad};
use hadal_onnx::{Dimension, Model, Type, Value};
use std::path::{Path, PathBuf};

fn shared() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/models");
    path.is_dir().then_some(path)
}

fn run(model: &Model, input: Tensor) -> Vec<Value> {
    let name = model.inputs()[0].name.clone();
    no_grad(|| model.run(&[(&name, input.into())])).unwrap()
}

fn largest_difference(expected: &Tensor, got: &Tensor) -> f64 {
    assert_eq!(expected.shape(), got.shape());
    expected.to_f64_vec().iter().zip(got.to_f64_vec()).map(|(e, g)| (e - g).abs()).fold(0.0, f64::max)
}

/// The models of ONNX' own tests, whose weights are constants, on the input of its runner: 0, 1/n, 2/n, …
#[test]
fn light_models() {
    let Some(folder) = shared().map(|s| s.join("onnx-light")) else { return };
    let names = [
        "bvlc_alexnet",
        "densenet121",
        "inception_v1",
        "inception_v2",
        "resnet50",
        "shufflenet",
        "squeezenet",
        "vgg19",
        "zfnet512",
    ];
    for name in names {
        let model = Model::load(folder.join(format!("light_{name}.onnx"))).unwrap();
        let declared = model.inputs()[0].r#type.clone().unwrap();
        let Type::Tensor { shape: Some(shape), .. } = &declared else { panic!("{name}: an input without shape") };
        let size = |d: &Dimension| if let Dimension::Fixed(n) = d { *n } else { 1 };
        let shape: Vec<usize> = shape.iter().map(size).collect();
        let count = shape.iter().product::<usize>();
        let ramp = (0..count).map(|i| (i as f64 / count as f64) as f32).collect();
        let outputs = run(&model, Tensor::from_vec(ramp, shape));
        let bytes = std::fs::read(folder.join(format!("light_{name}_output_0.pb"))).unwrap();
        let expected = Model::read_value(bytes, model.outputs()[0].r#type.as_ref().unwrap()).unwrap();
        let worst = largest_difference(expected.tensor().unwrap(), outputs[0].tensor().unwrap());
        assert!(worst < 1e-5, "{name}: {worst}");
    }
}

/// A face detector, with onnxruntime's outputs.
#[test]
fn ultraface() {
    let Some(folder) = shared().map(|s| s.join("ultraface")) else { return };
    let recorded = npz::read(folder.join("version-RFB-320.ort_io.npz")).unwrap();
    let model = Model::load(folder.join("version-RFB-320.onnx")).unwrap();
    let outputs = run(&model, recorded["in.input"].clone());
    for (port, output) in model.outputs().iter().zip(&outputs) {
        let worst = largest_difference(&recorded[&format!("out.{}", port.name)], output.tensor().unwrap());
        assert!(worst < 1e-4, "{}: {worst}", port.name);
    }
}
