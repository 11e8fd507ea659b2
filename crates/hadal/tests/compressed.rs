//! Compressed model files, wherever they are run: with the bytes they were made for.

use hadal::format::model_file::ModelFile;
use hadal::models::{self, Spec};
use hadal::prelude::*;
use hadal::{Compression, Execution, Predictor, Trained, no_grad};
use serde_json::json;

#[test]
fn bytes_multiply_wherever_the_model_runs() {
    manual_seed(3);
    let spec = Spec { input: vec![1, 12, 12], outputs: 3 };
    let file = ModelFile {
        architecture: json!({ "name": "cnn", "input": spec.input, "outputs": spec.outputs }),
        labels: ["tern", "gull", "skua"].map(String::from).to_vec(),
        preprocessing: json!({ "kind": "image", "channels": 1, "height": 12, "width": 12, "mean": [0.5], "std": [0.25] }),
        manifest: json!({}),
        compression: json!(null),
        tensors: state_dict(&*models::build("cnn", &spec).unwrap()),
    };
    let path = std::env::temp_dir().join(format!("hadal-compressed-{}.safetensors", std::process::id()));
    let x = Tensor::randn([5, 1, 12, 12]);
    for method in [Compression::F16, Compression::Int8Weights, Compression::Int8Dynamic] {
        method.apply(&file).unwrap().write(&path).unwrap();
        let trained = Trained::read(&path).unwrap();
        let expected = trained.forward(&x).unwrap();
        // Numbers for inference are rounded otherwise; bytes are meant for nothing else.
        let executions = [Execution::Exact, Execution::Inference];
        for &execution in &executions[..if method == Compression::F16 { 1 } else { 2 }] {
            let found = Predictor::load(&path, execution).unwrap().run(std::slice::from_ref(&x)).unwrap();
            assert_eq!(found[1].to_vec::<f32>(), expected.to_vec::<f32>(), "{} {execution:?}", method.name());
        }
        // Bytes are not merely stored: they are computed with.
        let numbers = no_grad(|| trained.model.forward(&x));
        let same = numbers.to_vec::<f32>() == expected.to_vec::<f32>();
        assert_eq!(same, method == Compression::F16, "{}", method.name());
    }
    std::fs::remove_file(&path).unwrap();
}
