//! Arbitrary bytes as a safetensors file.

use hadal_core::format::safetensors;

/// Whether the file was understood: then what is written of it reads the same.
pub fn check(bytes: &[u8]) -> bool {
    let Ok(archive) = safetensors::from_bytes(bytes.to_vec()) else { return false };
    let written = safetensors::to_bytes(&archive.tensors, &archive.metadata).expect("what was read can be written");
    let again = safetensors::from_bytes(written).expect("what is written can be read");
    assert!(again.metadata == archive.metadata && again.tensors.keys().eq(archive.tensors.keys()));
    assert!(again.tensors.values().zip(archive.tensors.values()).all(|(a, b)| a.to_bytes() == b.to_bytes()));
    true
}
