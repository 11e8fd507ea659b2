//! Files that others wrote, damaged.

use crate::counted;
use hadal_core::format::pytorch::Value;
use hadal_core::format::{npy, npz, pytorch, safetensors};
use hadal_core::{Result, Tensor};
use std::path::Path;

fn read(name: &str, bytes: Vec<u8>) -> Result<Vec<Tensor>> {
    fn collect(value: Value, found: &mut Vec<Tensor>) {
        match value {
            Value::Tensor(tensor) => found.push(tensor),
            Value::List(values) | Value::Tuple(values) => values.into_iter().for_each(|v| collect(v, found)),
            Value::Dict(pairs) => pairs.into_iter().for_each(|(_, v)| collect(v, found)),
            _ => {}
        }
    }
    Ok(match Path::new(name).extension().and_then(|e| e.to_str()) {
        Some("pt") => {
            let mut found = Vec::new();
            collect(pytorch::from_bytes(bytes)?, &mut found);
            found
        }
        Some("npz") => npz::from_bytes(bytes)?.into_values().collect(),
        Some("npy") => vec![npy::from_bytes(bytes)?],
        _ => safetensors::from_bytes(bytes)?.tensors.into_values().collect(),
    })
}

const FILES: [&str; 9] = [
    "types.pt",
    "types-stream.pt",
    "views-stream.pt",
    "checkpoint-protocol4.pt",
    "checkpoint-stream.pt",
    "arrays.npz",
    "arrays-compressed.npz",
    "version2.npy",
    "expected.safetensors",
];

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/format").join(name)).unwrap()
}

#[test]
fn every_truncation_is_an_error() {
    for name in FILES {
        let whole = fixture(name);
        assert!(read(name, whole.clone()).is_ok());
        for length in 0..whole.len() {
            assert!(read(name, whole[..length].to_vec()).is_err(), "the first {length} bytes of {name}");
        }
    }
}

/// A damaged file may still be well-formed; what it then holds can be used.
#[test]
fn changed_bytes_never_panic() {
    let mut seed = 1u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    for name in FILES {
        let whole = fixture(name);
        for _ in 0..3000 {
            let mut bytes = whole.clone();
            for _ in 0..=random(4) {
                // Extreme values are where arithmetic overflows.
                let value = [0, 1, 0x7f, 0x80, 0xff, random(256) as u8][random(6)];
                bytes[random(whole.len())] = value;
            }
            let (tensors, allocated) = counted(|| read(name, bytes));
            assert!(allocated < 2048 * whole.len(), "{allocated} bytes for {name}");
            let tensors = tensors.unwrap_or_default();
            tensors.iter().filter(|t| t.elements() < 1 << 16).for_each(|t| drop(t.to_f64_vec()));
        }
    }
}
