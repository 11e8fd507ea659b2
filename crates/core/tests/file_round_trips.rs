//! What is written is read back, bit for bit, whatever the types, shapes and strides.

use hadal_core::format::model_file::ModelFile;
use hadal_core::format::npz::Compression;
use hadal_core::format::{npy, npz, safetensors};
use hadal_core::{DType, Shape, Tensor};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;

fn temporary(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()))
}

/// Any tensor: all types, ranks 0 to 4 with sizes from 0, every bit pattern, axes in any order.
fn tensors(types: &'static [DType]) -> impl Strategy<Value = Tensor> {
    let order = Just(vec![0usize, 1, 2, 3]).prop_shuffle();
    (prop::sample::select(types), vec(0usize..4, 0..=4), any::<u64>(), order).prop_map(|(dtype, shape, seed, order)| {
        let bytes = shape.iter().product::<usize>() * dtype.size();
        let random = |i: usize| (seed ^ i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()[0];
        let bits = |i| if dtype == DType::Bool { random(i) & 1 } else { random(i) };
        let contents: Vec<u8> = (0..bytes).map(bits).collect();
        let header =
            format!("{{\"x\":{{\"dtype\":\"{}\",\"shape\":{shape:?},\"data_offsets\":[0,{bytes}]}}}}", name(dtype));
        let file = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &contents].concat();
        let tensor = safetensors::from_bytes(file).unwrap().tensors.remove("x").unwrap();
        let order: Vec<isize> =
            order.into_iter().filter(|axis| *axis < shape.len()).map(|axis| axis as isize).collect();
        tensor.permute(&order[..])
    })
}

fn name(dtype: DType) -> &'static str {
    match dtype {
        DType::Bool => "BOOL",
        DType::U8 => "U8",
        DType::I8 => "I8",
        DType::I32 => "I32",
        DType::I64 => "I64",
        DType::F16 => "F16",
        DType::BF16 => "BF16",
        DType::F32 => "F32",
        DType::F64 => "F64",
    }
}

const NUMPY: [DType; 8] =
    [DType::Bool, DType::U8, DType::I8, DType::I32, DType::I64, DType::F16, DType::F32, DType::F64];

#[track_caller]
fn assert_same(found: &Tensor, expected: &Tensor) {
    assert_eq!((found.dtype(), found.shape()), (expected.dtype(), expected.shape()));
    assert_eq!(found.to_bytes(), expected.to_bytes());
}

/// The same values in main memory, made by other means than the readers.
fn copy(tensor: &Tensor) -> Tensor {
    hadal_core::dispatch!(all tensor.dtype(), T => Tensor::from_vec(tensor.to_vec::<T>(), tensor.shape()))
}

/// The same cases in every run, so that a change is judged by itself; `PROPTEST_RNG_SEED` and `PROPTEST_CASES` try others.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    let rng_seed = if default.rng_seed == RngSeed::Random { RngSeed::Fixed(0) } else { default.rng_seed };
    ProptestConfig { failure_persistence: None, rng_seed, ..default }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn safetensors_round_trip(
        tensors in btree_map(".{0,6}", tensors(&DType::ALL), 0..6),
        metadata in btree_map(".{0,6}", ".{0,9}", 0..4),
    ) {
        let bytes = safetensors::to_bytes(&tensors, &metadata).unwrap();
        let copies: BTreeMap<String, Tensor> = tensors.iter().map(|(n, t)| (n.clone(), copy(t))).collect();
        prop_assert_eq!(&bytes, &safetensors::to_bytes(&copies, &metadata).unwrap(), "strides do not matter");
        let found = safetensors::from_bytes(bytes.clone()).unwrap();
        prop_assert_eq!(&found.metadata, &metadata);
        prop_assert_eq!(found.tensors.keys().collect::<Vec<_>>(), tensors.keys().collect::<Vec<_>>());
        for (name, expected) in &tensors {
            assert_same(&found.tensors[name], expected);
        }

        // The reference implementation agrees.
        let (_, header) = ::safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        let theirs: BTreeMap<_, _> = header.metadata().clone().unwrap_or_default().into_iter().collect();
        prop_assert_eq!(theirs, metadata);
        let theirs = ::safetensors::SafeTensors::deserialize(&bytes).unwrap();
        prop_assert_eq!(theirs.len(), tensors.len());
        for (name, expected) in &tensors {
            let view = theirs.tensor(name).unwrap();
            prop_assert_eq!(view.shape(), &expected.shape()[..]);
            prop_assert_eq!(view.data(), expected.to_bytes());
            prop_assert!(view.data().as_ptr().addr().wrapping_sub(bytes.as_ptr().addr()).is_multiple_of(expected.dtype().size()));
        }
    }

    #[test]
    fn npy_round_trip(tensor in tensors(&NUMPY)) {
        assert_same(&npy::from_bytes(npy::to_bytes(&tensor).unwrap()).unwrap(), &tensor);
    }

    #[test]
    fn npz_round_trip(arrays in btree_map("[a-zäß/]{0,6}", tensors(&NUMPY), 0..4), deflate: bool) {
        let compression = if deflate { Compression::Deflated } else { Compression::Stored };
        let bytes = npz::to_bytes(&arrays, compression).unwrap();
        prop_assert_eq!(&bytes, &npz::to_bytes(&arrays, compression).unwrap());
        let found = npz::from_bytes(bytes).unwrap();
        prop_assert_eq!(found.keys().collect::<Vec<_>>(), arrays.keys().collect::<Vec<_>>());
        for (name, expected) in &arrays {
            assert_same(&found[name], expected);
        }
    }
}

#[test]
fn replacing_a_file_leaves_its_readers_their_bytes() {
    let path = temporary("shared.safetensors");
    let tensors = BTreeMap::from([
        ("flag".to_owned(), Tensor::from([true, false, true])),
        ("half".to_owned(), Tensor::from([1.5f32]).to_dtype(DType::BF16)),
        ("wide".to_owned(), Tensor::from([1.0f64, 2.0])),
    ]);
    safetensors::write(&path, &tensors, &BTreeMap::new()).unwrap();
    let found = safetensors::read(&path).unwrap();
    safetensors::write(&path, &BTreeMap::new(), &BTreeMap::new()).unwrap();
    for (name, expected) in &tensors {
        assert_same(&found.tensors[name], expected);
    }
    assert!(safetensors::read(&path).unwrap().tensors.is_empty());
    std::fs::remove_file(path).unwrap();
}

#[test]
fn bf16_has_no_npy_form() {
    let half = Tensor::from([1.0f32]).to_dtype(DType::BF16);
    assert_eq!(
        npy::to_bytes(&half).unwrap_err().to_string(),
        "npy: npy has no bf16: use .to_dtype(DType::F32), or write safetensors"
    );
}

#[test]
fn a_model_file_holds_everything() {
    let path = temporary("model.safetensors");
    let model = ModelFile {
        architecture: json!({"model": "mlp", "hidden": [128]}),
        labels: vec!["cat".into(), "Hündin".into()],
        preprocessing: json!({"size": [28, 28], "mean": [0.5]}),
        manifest: json!({"seed": 7, "lr": 1e-3}),
        compression: json!({"method": "f16"}),
        tensors: BTreeMap::from([("fc.weight".to_owned(), Tensor::from([[1.0f32, 2.0]]))]),
    };
    model.write(&path).unwrap();
    let first = std::fs::read(&path).unwrap();
    let found = ModelFile::read(&path).unwrap();
    assert_eq!(found.architecture, model.architecture);
    assert_eq!(found.labels, model.labels);
    assert_eq!(found.preprocessing, model.preprocessing);
    assert_eq!(found.manifest, model.manifest);
    assert_eq!(found.compression, model.compression);
    assert_eq!(*found.tensors["fc.weight"].shape(), [1, 2]);
    found.write(&path).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), first, "equal contents give equal bytes");
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_model_file_is_told_from_plain_weights() {
    let path = temporary("weights.safetensors");
    let message = |metadata: &[(&str, &str)]| {
        let tensors = BTreeMap::from([("w".to_owned(), Tensor::zeros(Shape::from([2])))]);
        let metadata = metadata.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        safetensors::write(&path, &tensors, &metadata).unwrap();
        let error = ModelFile::read(&path).unwrap_err().to_string();
        error.strip_prefix(&format!("{}: ", path.display())).unwrap().to_owned()
    };
    assert_eq!(
        message(&[("format", "pt")]),
        "holds 1 tensors but no model: its metadata lacks `hadal.architecture`, which says how to build one; these are \
         plain weights, to be loaded into a model that you name"
    );
    assert_eq!(
        message(&[("hadal.architecture", "mlp")]),
        "has metadata `hadal.architecture` that is not JSON: expected value at line 1 column 1"
    );
    assert_eq!(
        message(&[("hadal.architecture", "{}"), ("hadal.labels", "[1]")]),
        "has metadata `hadal.labels` that is not a list of names: invalid type: integer `1`, expected a string"
    );
    std::fs::remove_file(path).unwrap();
}
