//! Files that PyTorch and NumPy wrote (`fixtures/files.py`), and published ones where they are at hand.

use hadal_core::format::model_file::weights_sha256;
use hadal_core::format::{npy, npz, pytorch, safetensors};
use hadal_core::{DType, Tensor};
use pytorch::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/format").join(name)
}

/// The tensors that the fixture's readers must find, by their names after `group/`.
fn expected(group: &str) -> BTreeMap<String, Tensor> {
    let all = safetensors::read(fixture("expected.safetensors")).unwrap().tensors;
    all.into_iter().filter_map(|(name, t)| Some((name.strip_prefix(group)?.strip_prefix('/')?.to_owned(), t))).collect()
}

#[track_caller]
fn assert_same(found: &BTreeMap<String, Tensor>, expected: &BTreeMap<String, Tensor>) {
    assert!(!expected.is_empty());
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, expected) in expected {
        let found = &found[name];
        assert_eq!((found.dtype(), found.shape()), (expected.dtype(), expected.shape()), "{name}");
        assert_eq!(found.to_bytes(), expected.to_bytes(), "{name}");
    }
}

#[test]
fn every_element_type_is_read_from_both_containers() {
    for name in ["types.pt", "types-stream.pt"] {
        let found = pytorch::read_state_dict(fixture(name)).unwrap();
        assert_same(&found.tensors, &expected("types"));
        assert_eq!(found.tensors["bf16"].dtype(), DType::BF16);
        assert_eq!(found.tensors["f32"].to_vec::<f32>(), [-3.0, -1.5, 0.0, 1.5, 3.0, 4.5]);
        assert_eq!(found.tensors["u16"].to_vec::<i32>(), [120, 60, 0, 60, 120, 180]);
    }
}

#[test]
fn views_share_their_storage() {
    for name in ["views.pt", "views-stream.pt"] {
        let found = pytorch::read_state_dict(fixture(name)).unwrap().tensors;
        assert_same(&found, &expected("views"));
        for view in ["transposed", "row", "steps"] {
            assert!(found[view].shares_memory(&found["base"]), "{view}");
        }
        assert_eq!(found["transposed"].strides(), [1, 6]);
        assert_eq!(found["steps"].strides(), [12, 3]);
        assert_eq!(found["expanded"].strides(), [1, 0]);
        assert!(!found["empty"].shares_memory(&found["base"]));
    }
}

#[test]
fn a_checkpoint_gives_its_weights_and_everything_else() {
    for name in ["checkpoint.pt", "checkpoint-stream.pt", "checkpoint-protocol4.pt"] {
        let file = pytorch::read(fixture(name)).unwrap();
        let weights = file.state_dict().unwrap();
        assert_eq!((weights.found_under, &weights.stripped[..]), (Some("state_dict"), &["module."][..]));
        assert!(weights.skipped.is_empty());
        assert_same(&weights.tensors, &expected("state"));

        assert!(matches!(file.get("epoch"), Some(Value::Int(3))));
        assert!(matches!(file.get("best"), Some(Value::Float(0.75))));
        assert!(matches!(file.get("seen"), Some(Value::Int(-12))));
        assert!(matches!(file.get("big"), Some(Value::Int(n)) if *n == 1 << 80));
        assert!(matches!(file.get("name"), Some(Value::Text(name)) if &**name == "Grüße"));
        assert!(matches!(file.get("raw"), Some(Value::Bytes(raw)) if **raw == [0, 255]));
        assert!(matches!(file.get("dtype"), Some(Value::Type(DType::BF16))));
        assert!(matches!(file.get("device"), Some(Value::Text(name)) if &**name == "cpu"));
        assert!(matches!(file.get("none"), Some(Value::None)));
        assert_eq!(format!("{:?}", file.get("size")), format!("{:?}", Some(list(&[1, 2]))).replace("List", "Tuple"));
        assert_eq!(format!("{:?}", file.get("set")), format!("{:?}", Some(list(&[5]))));
        assert_eq!(format!("{:?}", file.get("pair")), "Some(Tuple([Bool(true), List([Float(1.5), Int(-1)])]))");

        let momentum = file.get("optimizer").and_then(|o| o.get("state")).unwrap();
        let Value::Dict(momentum) = momentum else { panic!("{momentum:?}") };
        assert_eq!(momentum.len(), 4);
        assert!(matches!(momentum[0].1.get("momentum_buffer"), Some(Value::Tensor(t)) if *t.shape() == [2, 3]));
        let milestones = file.get("schedule").and_then(|s| s.get("milestones")).unwrap();
        assert_eq!(format!("{milestones:?}"), "Dict([(Int(2), Int(1)), (Int(4), Int(2))])");
    }
}

fn list(items: &[i128]) -> Value {
    Value::List(items.iter().map(|n| Value::Int(*n)).collect())
}

#[test]
fn a_pickled_model_object_is_refused_by_its_class() {
    let error = pytorch::read(fixture("module.pt")).unwrap_err().to_string();
    let message = "wants to call torch.nn.modules.linear.Linear; only what rebuilds tensors, numbers, text, lists and \
                   dictionaries is allowed, and nothing was run (it holds a whole model object; save \
                   `model.state_dict()` instead)";
    assert_eq!(error, format!("{}: {message}", fixture("module.pt").display()));
}

#[test]
fn arrays_of_numpy() {
    for name in ["arrays.npz", "arrays-compressed.npz"] {
        let found = npz::read(fixture(name)).unwrap();
        assert_same(&found, &expected("arrays"));
        assert_eq!(found["fortran"].strides(), [1, 2, 6]);
    }
    for version in 1..=3 {
        let array = npy::read(fixture(&format!("version{version}.npy"))).unwrap();
        assert_eq!(array.shape(), &hadal_core::Shape::from([2, 3]));
        assert_eq!(array.to_vec::<f32>(), [-3.0, -1.5, 0.0, 1.5, 3.0, 4.5]);
    }
}

/// `numpy.save` and we write the same bytes.
#[test]
fn npy_is_written_as_numpy_writes_it() {
    let array = Tensor::from([[-3.0f32, -1.5, 0.0], [1.5, 3.0, 4.5]]);
    assert_eq!(npy::to_bytes(&array).unwrap(), std::fs::read(fixture("version1.npy")).unwrap());
}

#[test]
fn arrays_that_are_not_numbers_are_refused_by_type() {
    let fix = "use .astype(numpy.float32) or another number type up to 64 bits before saving";
    let objects = fixture("objects.npy");
    assert_eq!(
        npy::read(&objects).unwrap_err().to_string(),
        format!(
            "{}: holds elements of type |O, which are Python objects (a pickle, which is never unpickled); {fix}",
            objects.display()
        )
    );
    let records = fixture("records.npy");
    assert_eq!(
        npy::read(&records).unwrap_err().to_string(),
        format!(
            "{}: has a header that cannot be read: its elements are records of named fields; save each field as an \
             array of its own",
            records.display()
        )
    );
}

/// A published file, looked for in the directory `$HADAL_MODELS`.
fn published(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("HADAL_MODELS").map(|directory| Path::new(&directory).join(name));
    let path = path.filter(|path| path.exists());
    if path.is_none() {
        println!("skipped: {name} is not in $HADAL_MODELS");
    }
    path
}

/// The fingerprint of weights that were read, as `(name, tensor)` pairs in any order.
fn fingerprint(weights: &BTreeMap<String, Tensor>) -> String {
    weights_sha256(weights.iter().rev().map(|(name, tensor)| (name.as_str(), tensor)))
}

/// The hash was computed in Python with hashlib, by the description of `weights_sha256`.
#[test]
fn the_fingerprint_is_as_documented() {
    assert_eq!(fingerprint(&expected("views")), "7b02b7a7a44752dbcc3fca6899d92a29625302c4c8bb44ae88324f3960666a2f");
    let views = pytorch::read_state_dict(fixture("views.pt")).unwrap().tensors;
    assert_eq!(fingerprint(&views), fingerprint(&expected("views")), "strides do not matter");
}

/// A model of tracel-ai/burn's import example, saved by PyTorch on a Mac; the hash is from Python.
#[test]
fn a_published_zip_file_is_read() {
    let (Some(zip), Some(plain)) = (published("burn-mnist/mnist.pt"), published("burn-mnist/mnist.safetensors")) else {
        return;
    };
    let (zip, plain) = (pytorch::read_state_dict(zip).unwrap().tensors, safetensors::read(plain).unwrap().tensors);
    assert_eq!(fingerprint(&zip), "e924f790fd705ec32c7a2d71518e6929132e32f16eaa120de03e177ed61bfc6a");
    assert_eq!(fingerprint(&plain), "5cb64f778b53c1394cde8938c10b4b019ababb5cefc72683e89731772f0d91ee");
    let described = |w: &BTreeMap<String, Tensor>| w.iter().map(|(n, t)| (n.clone(), t.meta())).collect::<Vec<_>>();
    assert_eq!(described(&zip), described(&plain));
}

/// A checkpoint of PyTorch 0.4: stream container, `_rebuild_tensor`, GPU storages, `DataParallel` names.
/// The hash is from Python.
#[test]
fn a_published_stream_of_2018_is_read() {
    let Some(path) = published("resnet-cifar10/resnet20-12fca82f.th") else { return };
    let weights = pytorch::read_state_dict(path).unwrap();
    assert_eq!((weights.found_under, &weights.stripped[..]), (Some("state_dict"), &["module."][..]));
    assert_eq!(fingerprint(&weights.tensors), "f1831cab4506b86b1fe1fa36330ed6aa202b756297135cf4ba08eaee02b38198");
}
