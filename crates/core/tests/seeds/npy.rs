//! Arbitrary bytes as an npy file.

use hadal_core::format::npy;

/// Whether the file was understood: then what is written of it reads the same.
pub fn check(bytes: &[u8]) -> bool {
    let Ok(array) = npy::from_bytes(bytes.to_vec()) else { return false };
    let written = npy::to_bytes(&array).expect("what npy holds it can hold again");
    let again = npy::from_bytes(written).expect("what is written can be read");
    assert_eq!((again.shape(), again.dtype()), (array.shape(), array.dtype()));
    assert_eq!(again.to_bytes(), array.to_bytes());
    true
}
