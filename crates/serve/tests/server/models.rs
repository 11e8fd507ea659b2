//! What is served in the tests: small model files, and a model that answers when it is told to.

use hadal::format::model_file::ModelFile;
use hadal::models::{self, Spec};
use hadal::onnx::Export;
use hadal::prelude::*;
use hadal::{Meta, Trained, attempt};
use hadal_serve::{Datatype, Form, Port, Servable, Signature};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

/// A folder of its own for each test, deleted at its end.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("hadal-serve-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A path as an argument of the server.
    pub fn argument(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Writes an untrained model as `hadal train` would.
fn write(path: &Path, name: &str, spec: Spec, labels: &[&str], preprocessing: Value, seed: u64) {
    // Seed and weights belong together, whatever other tests do.
    static GENERATOR: Mutex<()> = Mutex::new(());
    let tensors = {
        let _alone = GENERATOR.lock().unwrap();
        manual_seed(seed);
        state_dict(&*models::build(name, &spec).unwrap())
    };
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = ModelFile {
        architecture: json!({ "name": name, "input": spec.input, "outputs": spec.outputs }),
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        preprocessing,
        manifest: Value::Null,
        compression: Value::Null,
        tensors,
    };
    file.write(path).unwrap();
}

/// A small CNN for grey images of 8 × 8 in three classes.
pub fn write_images(path: &Path, seed: u64) {
    let spec = Spec { input: vec![1, 8, 8], outputs: 3 };
    let preprocessing = json!({ "kind": "image", "channels": 1, "height": 8, "width": 8, "mean": [0.4], "std": [0.3] });
    write(path, "cnn", spec, &["cat", "dog", "eel"], preprocessing, seed);
}

/// A model of a table of two columns that predicts a number.
pub fn write_table(path: &Path) {
    let columns = json!([
        ["age", { "kind": "number", "mean": 40.0, "std": 10.0 }],
        ["job", { "kind": "category", "levels": ["clerk", "cook"] }],
    ]);
    let scale = json!({ "mean": 1000.0, "std": 300.0 });
    let preprocessing =
        json!({ "kind": "table", "encoder": { "columns": columns }, "target": "income", "scale": scale });
    write(path, "mlp", Spec { input: vec![3], outputs: 1 }, &[], preprocessing, 5);
}

/// Writes a trained model as ONNX, as `hadal export --dynamic-batch` would, or as others would: with the graph alone.
pub fn export(from: &Path, to: &Path, with_metadata: bool) {
    let trained = Trained::read(from).unwrap();
    let shape: Vec<usize> = [1].into_iter().chain(trained.preprocessing.shape()).collect();
    let mut export = Export::new([("input", Meta::new(shape, DType::F32))]).outputs(["logits"]).dynamic_batch();
    if with_metadata {
        export = export
            .metadata("hadal.labels", serde_json::to_string(&trained.labels).unwrap())
            .metadata("hadal.preprocessing", serde_json::to_string(&trained.preprocessing).unwrap());
    }
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    export.to_file(to, &|x| attempt(|| vec![trained.model.forward(&x[0])])).unwrap();
}

/// A grey PNG.
pub fn image(width: u32, height: u32) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Grayscale);
    let pixels: Vec<u8> = (0..width * height).map(|i| (i * 5 % 251) as u8).collect();
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    file
}

/// Samples for [`write_images`]: `[n, 1, 8, 8]`.
pub fn images(n: usize) -> Tensor {
    let value = |i: usize| ((i * 7919) % 1013) as f32 / 500.0 - 1.0;
    Tensor::from_vec((0..64 * n).map(value).collect(), [n, 1, 8, 8])
}

/// The request for samples of images, as JSON.
pub fn request(x: &Tensor, outputs: Value) -> String {
    let input = json!({ "name": "input", "shape": x.shape().to_vec(), "datatype": "FP32", "data": x.to_vec::<f32>() });
    json!({ "inputs": [input], "outputs": outputs }).to_string()
}

/// A model that gives sixteen million bytes of text for a number.
pub struct Wide(Signature);

impl Wide {
    pub fn new() -> Wide {
        Wide(gate().0.signature)
    }
}

impl Servable for Wide {
    fn signature(&self) -> &Signature {
        &self.0
    }

    fn infer(&self, _: &[Tensor]) -> Result<Vec<Tensor>> {
        Ok(vec![Tensor::zeros([1, 4_000_000])])
    }
}

/// A model that doubles numbers, one batch for each word that it is given.
pub struct Gate {
    signature: Signature,
    open: Mutex<Receiver<()>>,
    batches: Arc<Mutex<Vec<usize>>>,
}

/// The gate, what opens it, and the batches that went through.
pub fn gate() -> (Gate, Sender<()>, Arc<Mutex<Vec<usize>>>) {
    let port =
        |name: &str| Port { name: name.into(), forms: vec![Form { datatype: Datatype::Fp32, shape: vec![None] }] };
    let signature = Signature {
        platform: "test".into(),
        inputs: vec![port("x")],
        outputs: vec![port("y")],
        batched: true,
        takes_images: false,
        labels: Vec::new(),
        probabilities: None,
    };
    let (opener, open) = channel();
    let batches = Arc::new(Mutex::new(Vec::new()));
    (Gate { signature, open: Mutex::new(open), batches: batches.clone() }, opener, batches)
}

impl Servable for Gate {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn infer(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        // When the test has dropped what opens it, it stays open.
        let _ = self.open.lock().unwrap().recv();
        self.batches.lock().unwrap().push(inputs[0].elements());
        Ok(vec![inputs[0].mul(2.0)])
    }
}

/// A request for the gate.
pub fn number(x: f32) -> String {
    json!({ "inputs": [{ "name": "x", "shape": [1], "datatype": "FP32", "data": [x] }] }).to_string()
}
