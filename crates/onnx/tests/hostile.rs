//! Damaged files give errors, never panics.

use hadal_onnx::{ElementType, Model, Type};

fn fixtures() -> Vec<Vec<u8>> {
    let folder = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/onnx");
    ["mlp", "shapes", "control", "function", "lstm", "quantized", "unsupported"]
        .map(|name| std::fs::read(folder.join(format!("{name}.onnx"))).unwrap())
        .to_vec()
}

/// Loading may succeed or fail; either is a result.
#[test]
fn truncated_files_are_errors() {
    for bytes in fixtures() {
        for end in 0..bytes.len() {
            let _ = Model::from_bytes(bytes[..end].to_vec());
        }
        assert!(Model::from_bytes(bytes[..bytes.len() / 2].to_vec()).is_err());
    }
    assert!(Model::from_bytes(Vec::new()).is_err());
}

#[test]
fn changed_bytes_do_not_panic() {
    for bytes in fixtures() {
        for at in 0..bytes.len() {
            for flip in [0x01, 0x08, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[at] ^= flip;
                let _ = Model::from_bytes(changed);
            }
        }
    }
}

/// A tensor that claims 2^40 elements, then one that claims more than memory can address, without holding any.
#[test]
fn claims_allocate_nothing() {
    let any = Type::Tensor { element: ElementType::F32, shape: None };
    let read = |bytes: &[u8]| Model::read_value(bytes.to_vec(), &any).unwrap_err().to_string();
    // dims = [2^20, 2^20], data_type = float
    let large = [0x0a, 6, 0x80, 0x80, 0x40, 0x80, 0x80, 0x40, 0x10, 1];
    assert_eq!(read(&large), "tensor ``: the shape [1048576, 1048576] has more than 2147483648 elements");
    let claimed = [0x0a, 3, 0x80, 0x80, 0x40, 0x10, 1];
    assert_eq!(read(&claimed), "tensor ``: needs 4194304 bytes for float [1048576], got 0");
    let negative = [0x0a, 10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0x10, 1];
    assert_eq!(read(&negative), "tensor ``: the sizes [-1] are not all 0 or more");
}
