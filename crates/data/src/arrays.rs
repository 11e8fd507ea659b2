//! Data sets in NumPy's files: an `.npz` file, or a folder of `.npy` files.
//!
//! The arrays are called `x` and `y`, or `x_train`, `y_train`, `x_test` and `y_test` (as in Keras' `mnist.npz`), in either
//! case of letters. Their first axis counts the samples.

use std::collections::BTreeMap;
use std::path::Path;

use hadal_core::Tensor;
use hadal_core::format::{npy, npz};

use crate::{Error, Result};

/// Inputs and targets: row `i` of each is sample `i`.
#[derive(Clone, Debug)]
pub struct Pair {
    /// `[samples, …]`
    pub x: Tensor,
    /// `[samples]` or `[samples, …]`
    pub y: Tensor,
}

/// The arrays of a data set.
#[derive(Clone, Debug)]
pub struct Arrays {
    /// What to learn from.
    pub train: Pair,
    /// What to measure on, if the file has a part of its own for that.
    pub test: Option<Pair>,
}

/// Reads the arrays at `path`.
///
/// # Errors
/// When nothing is there, an array is missing or damaged, or `x` and `y` have not one row per sample.
pub fn read(path: impl AsRef<Path>) -> Result<Arrays> {
    let path = path.as_ref();
    let mut arrays = if path.is_dir() { folder(path)? } else { npz::read(path)? };
    arrays = arrays.into_iter().map(|(name, array)| (name.to_lowercase(), array)).collect();
    let names = arrays.keys().cloned().collect::<Vec<_>>().join(", ");
    let mut pair = |x: &str, y: &str| match (arrays.remove(x), arrays.remove(y)) {
        (Some(x), Some(y)) => Some(Pair { x, y }),
        _ => None,
    };
    let (train, test) = (pair("x_train", "y_train").or_else(|| pair("x", "y")), pair("x_test", "y_test"));
    let Some(train) = train else {
        let message = format!(
            "holds {}; expected the arrays x and y, or x_train, y_train, x_test and y_test",
            if names.is_empty() { "no arrays".into() } else { format!("the arrays {names}") }
        );
        return Err(Error::file(path, message));
    };
    for pair in [Some(&train), test.as_ref()].into_iter().flatten() {
        pair.check().map_err(|error| Error::file(path, error))?;
    }
    if let Some(test) = test.as_ref().filter(|test| test.x.shape()[1..] != train.x.shape()[1..]) {
        let (a, b) = (train.x.shape(), test.x.shape());
        return Err(Error::file(
            path,
            format!("has training inputs {a} and test inputs {b}: their samples differ in shape"),
        ));
    }
    Ok(Arrays { train, test })
}

impl Pair {
    fn check(&self) -> Result<()> {
        let (x, y) = (self.x.shape(), self.y.shape());
        if x.rank() < 2 || y.rank() == 0 || x[0] != y[0] || x.elements() == 0 {
            let message = format!("has x {x} and y {y}; expected x [samples, …] and y [samples] or [samples, …]");
            return Err(Error::invalid(message));
        }
        Ok(())
    }
}

/// The arrays of a folder by the names of their files.
fn folder(path: &Path) -> Result<BTreeMap<String, Tensor>> {
    let refuse = |error| Error::file(path, error);
    let mut arrays = BTreeMap::new();
    for entry in std::fs::read_dir(path).map_err(refuse)? {
        let file = entry.map_err(refuse)?.path();
        if file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npy")) {
            arrays.insert(file.file_stem().unwrap_or_default().to_string_lossy().into_owned(), npy::read(&file)?);
        }
    }
    Ok(arrays)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{fails, folder};
    use npz::Compression;

    #[test]
    fn a_file_and_a_folder() {
        let place = folder();
        let (x, y) = (Tensor::ones([3, 2]), Tensor::from([0i64, 1, 0]));
        npy::write(place.path("X.npy"), &x).unwrap();
        npy::write(place.path("y.npy"), &y).unwrap();
        let found = read(place.path("")).unwrap();
        assert_eq!((found.train.x.shape().to_vec(), found.train.y.to_vec::<i64>()), (vec![3, 2], vec![0, 1, 0]));
        assert!(found.test.is_none());

        let parts = [
            ("x_train", x.clone()),
            ("y_train", y.clone()),
            ("x_test", x.narrow(0, 0, 1)),
            ("y_test", y.narrow(0, 0, 1)),
        ];
        let write = |arrays: &[(&str, Tensor)]| {
            let arrays = arrays.iter().map(|(name, array)| ((*name).to_owned(), array.clone())).collect();
            npz::write(place.path("set.npz"), &arrays, Compression::Deflated).unwrap();
            read(place.path("set.npz"))
        };
        assert_eq!(write(&parts).unwrap().test.unwrap().y.to_vec::<i64>(), [0]);
        fails(write(&parts[..1]), &["set.npz: holds the arrays x_train; expected the arrays x and y, or"]);
        fails(write(&[("x", x.clone()), ("y", y.narrow(0, 0, 2))]), &["has x [3, 2] and y [2]"]);
        let other = [("x_train", x), ("y_train", y.clone()), ("x_test", Tensor::ones([3, 4])), ("y_test", y)];
        fails(write(&other), &["training inputs [3, 2] and test inputs [3, 4]"]);
        fails(read(place.path("nowhere.npz")), &["nowhere.npz"]);
    }
}
