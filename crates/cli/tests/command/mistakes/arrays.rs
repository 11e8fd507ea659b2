//! In folders of images and in arrays.

use super::check;
use crate::{Folder, npy};

#[test]
fn folders_and_arrays() {
    let folder = Folder::new("arrays");
    folder.write("photos/cat/notes.txt", "a cat");
    folder.write("text/x.npy", "1, 2, 3");
    folder.write("x/x.npy", npy(&[4, 2], &[0.0; 8]));
    folder.write("uneven/x.npy", npy(&[4, 2], &[0.0; 8]));
    folder.write("uneven/y.npy", npy(&[3], &[0.0; 3]));
    folder.write("pets/cat/1.png", b"\x89PNG\r\n\x1a\n");
    folder.write("few/x.npy", npy(&[1, 2], &[0.0; 2]));
    folder.write("few/y.npy", npy(&[1], &[0.0; 1]));
    check(
        &folder,
        &[
            (
                "no files of the set",
                &["train", "mnist", "--data", "DIR"],
                1,
                "error: DIR: no mnist files for the train split; expected train-images-idx3-ubyte, \
                 train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte (or .gz) in one of\n  \
                 DIR/mnist\n  DIR/MNIST\n  DIR/MNIST/raw\n  DIR/",
            ),
            (
                "no folder",
                &["train", "mnist", "--data", "DIR/nowhere"],
                1,
                "error: DIR/nowhere: is not a folder; expected one with train-images-idx3-ubyte, \
                 train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte (or .gz)",
            ),
            (
                "a class without images",
                &["train", "image-folder", "--data", "DIR/photos"],
                1,
                "error: DIR/photos/cat: a class folder without any .png, .jpg or .jpeg file",
            ),
            (
                "a class of photographs as the whole",
                &["train", "image-folder", "--data", "DIR/photos/cat"],
                1,
                "error: DIR/photos/cat: no sub-folder; expected one per class, as in cat/1.jpg, dog/1.jpg",
            ),
            (
                "one class",
                &["train", "image-folder", "--data", "DIR/pets"],
                1,
                "error: DIR/pets: has one class, `cat`; expected a sub-folder for each of two or more",
            ),
            (
                "no arrays named",
                &["train", "npz"],
                1,
                "error: recipe npz needs data: give the .npz file, or the folder of .npy files with --data",
            ),
            (
                "no arrays",
                &["train", "npz", "--data", "DIR"],
                1,
                "error: DIR: holds no arrays; expected the arrays x and y, or x_train, y_train, x_test and y_test",
            ),
            (
                "inputs alone",
                &["train", "npz", "--data", "DIR/x"],
                1,
                "error: DIR/x: holds the arrays x; expected the arrays x and y, or x_train, y_train, x_test and \
                 y_test",
            ),
            (
                "a target too few",
                &["train", "npz", "--data", "DIR/uneven"],
                1,
                "error: DIR/uneven: has x [4, 2] and y [3]; expected x [samples, …] and y [samples] or [samples, \
                 …]",
            ),
            (
                "one sample",
                &["train", "npz", "--data", "DIR/few"],
                1,
                "error: DIR/few: 1 samples cannot be split into [1, 0, 0] for training, validation and test",
            ),
            (
                "text as an array",
                &["train", "npz", "--data", "DIR/text"],
                1,
                "error: DIR/text/x.npy: is not an npy file: it does not begin with \\x93NUMPY",
            ),
        ],
    );
}
