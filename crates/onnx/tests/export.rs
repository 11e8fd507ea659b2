//! What a written file says besides its nodes, and what is refused.

use hadal_core::{DType, Meta, ModuleExt, Param, Result, Tensor, attempt};
use hadal_nn::layers::{BatchNorm1d, Dropout, Linear, Relu};
use hadal_nn::{Layer, Sequential};
use hadal_onnx::{Dimension, Export, Model, Type};

fn meta(shape: &[usize]) -> Meta {
    Meta::new(shape, DType::F32)
}

fn refused(export: &Export, f: &dyn Fn(&[Tensor]) -> Result<Vec<Tensor>>) -> String {
    export.to_bytes(&|x| attempt(|| f(x))?).unwrap_err().to_string()
}

#[test]
fn names_shapes_and_texts_are_kept() {
    let model = Sequential::new().add(Linear::new(3, 4)).add(Relu).add(Linear::new(4, 2));
    model.named_state();
    let export = Export::new([("features", meta(&[5, 3]))]).outputs(["scores"]).dynamic_batch();
    let export = export.metadata("labels", r#"["cat","dog"]"#);
    let bytes = export.to_bytes(&|x| Ok(vec![model.forward(&x[0])])).unwrap();
    let found = Model::from_bytes(bytes).unwrap();
    let shape = |port: &hadal_onnx::Port| match &port.r#type {
        Some(Type::Tensor { shape: Some(shape), .. }) => shape.clone(),
        other => panic!("{other:?}"),
    };
    let batch = Dimension::Named("batch".into());
    assert_eq!(found.inputs()[0].name, "features");
    assert_eq!(shape(&found.inputs()[0]), [batch.clone(), Dimension::Fixed(3)]);
    assert_eq!(found.outputs()[0].name, "scores");
    assert_eq!(shape(&found.outputs()[0]), [batch, Dimension::Fixed(2)]);
    let texts = found.metadata();
    assert!(texts.contains(&("labels".into(), r#"["cat","dog"]"#.into())), "{texts:?}");
    assert!(texts.iter().any(|(key, _)| key == "hadal.version"), "{texts:?}");
    let names: Vec<String> = found.named_state().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["0.weight", "0.bias", "2.weight", "2.bias"]);
}

#[test]
fn large_parameters_go_to_a_second_file() {
    let folder = std::env::temp_dir().join(format!("hadal-export-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("model.onnx");
    let weight = Param::new(Tensor::arange(600).to_dtype(DType::F32).reshape([20, 30]));
    weight.set_name("weight");
    let product = |x: &[Tensor]| Ok(vec![x[0].matmul(weight.get())]);
    let export = Export::new([("x", meta(&[2, 20]))]);
    let small = export.clone().largest_file(1000);
    let error = small.to_bytes(&product).unwrap_err().to_string();
    assert!(error.contains("more than a file of ONNX can hold: write it with to_file"), "{error}");
    small.to_file(&path, &product).unwrap();
    assert!(std::fs::metadata(&path).unwrap().len() < 1000);
    assert_eq!(std::fs::metadata(folder.join("model.onnx.data")).unwrap().len(), 2400);
    let x = Tensor::ones([2, 20]);
    let found = Model::load(&path).unwrap().run(&[("x", (&x).into())]).unwrap();
    assert_eq!(found[0].tensor().unwrap().to_bytes(), x.matmul(weight.get()).to_bytes());
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_model_in_training_is_refused() {
    let model = Sequential::new().add(Linear::new(3, 4)).add(BatchNorm1d::new(4)).add(Dropout::new(0.5));
    model.named_state();
    let export = Export::new([("x", meta(&[5, 3]))]);
    let error = refused(&export, &|x| Ok(vec![model.forward(&x[0])]));
    assert!(error.starts_with("ONNX export: only what computes outputs can be written"), "{error}");
    assert!(error.ends_with("export inference, with the model in evaluation mode (.eval())"), "{error}");
    model.eval();
    export.to_bytes(&|x| Ok(vec![model.forward(&x[0])])).unwrap();
}

#[test]
fn all_ops_without_a_form_are_named() {
    let export = Export::new([("x", meta(&[4, 4]))]);
    let error = refused(&export, &|x| Ok(vec![x[0].inverse().mul(2).exp(), x[0].lgamma(), x[0].relu()]));
    assert_eq!(error, "ONNX export: solve: has no form in ONNX\n  lgamma: has no form in ONNX");
}

#[test]
fn a_batch_that_cannot_be_left_open_is_refused() {
    let export = Export::new([("x", meta(&[4, 3]))]).dynamic_batch();
    let error = refused(&export, &|x| Ok(vec![x[0].mul(Tensor::arange(x[0].size(0)).unsqueeze(-1))]));
    let expected = "ONNX export: the batch size cannot be left open: Mul uses numbers that depend on it. Export with a \
                    fixed size";
    assert_eq!(error, expected);
    // Each sample by itself: as many nodes as there are samples.
    let error = refused(&export, &|x| Ok(vec![Tensor::cat(&x[0].unbind(0), 0)]));
    assert!(error.contains("the batch size"), "{error}");
    let scalar = Export::new([("x", meta(&[]))]).dynamic_batch();
    let error = refused(&scalar, &|x| Ok(vec![x[0].relu()]));
    assert_eq!(error, "ONNX export: a dynamic batch needs a first input with a batch axis");
}

#[test]
fn sizes_follow_the_batch() {
    let export = Export::new([("x", meta(&[4, 3])), ("y", meta(&[4, 2, 3]))]).dynamic_batch();
    let f = |x: &[Tensor]| {
        let n = x[0].size(0);
        let zeros = Tensor::zeros([2, n, 3]);
        let twice = Tensor::cat(&[&x[0], &x[0].flip(0)], 0);
        let last = x[0].narrow(0, n - 1, 1).expand([n + 1, 3]);
        let mean = x[0].sum(0).div(n as i64).expand([n, 3]);
        Ok(vec![twice, last, zeros.add(x[1].permute([1, 0, 2])), x[0].reshape([n, 1, 3]).expand([n, 5, 3]), mean])
    };
    // The mean over the batch divides by a number that depends on it.
    let error = refused(&export, &f);
    assert!(error.contains("Div uses numbers that depend on it"), "{error}");
    let f = |x: &[Tensor]| f(x).map(|mut outputs| outputs.drain(..4).collect::<Vec<_>>());
    let model = Model::from_bytes(export.to_bytes(&f).unwrap()).unwrap();
    for n in [1, 2, 9] {
        let (x, y) = (Tensor::randn([n, 3]), Tensor::randn([n, 2, 3]));
        let found = model.run(&[("x", (&x).into()), ("y", (&y).into())]).unwrap();
        for (found, expected) in found.iter().zip(f(&[x, y]).unwrap()) {
            let found = found.tensor().unwrap();
            assert_eq!((found.shape(), found.to_bytes()), (expected.shape(), expected.to_bytes()));
        }
    }
}

#[test]
fn outputs_may_be_inputs_constants_and_the_same() {
    let export = Export::new([("x", meta(&[2]))]).outputs(["a", "b", "c", "d"]);
    let f = |x: &[Tensor]| {
        let y = x[0].relu();
        Ok(vec![x[0].clone(), Tensor::from([7.0f32]), y.clone(), y])
    };
    let model = Model::from_bytes(export.to_bytes(&f).unwrap()).unwrap();
    let found = model.run(&[("x", Tensor::from([-1.0f32, 2.0]).into())]).unwrap();
    let found: Vec<Vec<f32>> = found.iter().map(|value| value.tensor().unwrap().to_vec()).collect();
    assert_eq!(found, [vec![-1.0, 2.0], vec![7.0], vec![0.0, 2.0], vec![0.0, 2.0]]);
    let error = refused(&Export::new([("x", meta(&[2]))]).outputs(["x"]), &|x| Ok(vec![x[0].relu()]));
    assert_eq!(error, "ONNX export: needs different names for inputs and outputs, got `x`");
}
