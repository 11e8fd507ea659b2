//! Arbitrary bytes as an npz file.

use hadal_core::format::npz::{self, Compression};

/// Whether the file was understood: then what is written of it reads the same.
pub fn check(bytes: &[u8]) -> bool {
    let Ok(arrays) = npz::from_bytes(bytes.to_vec()) else { return false };
    let written = npz::to_bytes(&arrays, Compression::Stored).expect("what npz holds it can hold again");
    let again = npz::from_bytes(written).expect("what is written can be read");
    assert!(again.keys().eq(arrays.keys()));
    assert!(again.values().zip(arrays.values()).all(|(a, b)| a.to_bytes() == b.to_bytes()));
    true
}
