//! Data sets, loaders and files of data.

use super::{Folder, check, compare, done, labels, ones, text_in};
use hadal::data::csv::{self, Options};
use hadal::data::image::{self, Channels};
use hadal::data::sampler::Weighted;
use hadal::data::transforms::{CenterCrop, HorizontalFlip, Normalize, Pipeline};
use hadal::data::{
    Dataset, ImageFolder, Loader, Mix, Sample, Split, Subset, TensorDataset, datasets, idx, random_split,
};
use hadal::prelude::*;
use std::path::Path;

fn four() -> TensorDataset {
    TensorDataset::new(&ones(&[4, 1, 8, 8]), &labels(&[0, 1, 2, 3]))
}

/// Images of two sizes, and a last one that cannot be had.
struct Photographs;

impl Dataset for Photographs {
    fn len(&self) -> usize {
        3
    }

    fn get(&self, index: usize) -> Result<Sample> {
        let input = match index {
            0 => ones(&[3, 32, 32]),
            1 => ones(&[3, 48, 32]),
            _ => ones(&[3, 32, 32]).reshape([32, 32]),
        };
        Ok(Sample { input, target: Tensor::from(0i64) })
    }
}

#[test]
fn loaders() {
    check(&[
        ("no samples per batch", || done(Loader::new(four(), 0)), "loader: the batch size is zero"),
        (
            "a label too few",
            || done(TensorDataset::new(&ones(&[4, 2]), &labels(&[0, 1, 2]))),
            "data set: inputs [4, 2] and targets [3] need first axes of equal size, one row per sample",
        ),
        (
            "a number that is no tensor of samples",
            || done(TensorDataset::new(&Tensor::from(1f32), &labels(&[0]))),
            "data set: inputs [] and targets [1] need first axes of equal size, one row per sample",
        ),
        (
            "an index beyond the set",
            || done(Subset::new(four(), vec![0, 4])),
            "subset: index 4 of a data set of 4 samples",
        ),
        (
            "a negative share",
            || done(random_split(100, &[1.1, -0.1], 0)),
            "split: the shares [1.1, -0.1] must not be negative, nor all zero",
        ),
        (
            "weights that are all zero",
            || done(Weighted::new(&[0.0, 0.0], 2, 0)),
            "weighted sampler: all weights are zero",
        ),
        (
            "photographs of different sizes",
            || {
                Loader::new(Subset::new(Photographs, vec![0]), 1)
                    .epoch(0)
                    .chain(Loader::new(Photographs, 2).epoch(0))
                    .try_for_each(|b| b.map(drop))
            },
            "sample 1: its input is f32 [3, 48, 32], but that of sample 0 in the same batch is f32 [3, 32, 32]; add \
             a resize or crop transform",
        ),
        (
            "a data set that makes a mistake",
            || Loader::new(Subset::new(Photographs, vec![0, 2]), 1).epoch(0).try_for_each(|batch| batch.map(drop)),
            "sample 1: reshape cannot turn [3, 32, 32] (3072 elements) into [32, 32] (1024 elements)",
        ),
        (
            "bytes that no transform made numbers",
            || {
                let images = TensorDataset::new(&Tensor::zeros_with([2, 1, 8, 8], DType::U8), &labels(&[0, 1]));
                let model = Sequential::new().add(Flatten::new()).add(Linear::new(64, 2));
                let mut model = {
                    let o = Sgd::new(0.1).optimize(model.parameters());
                    model.compile(o, cross_entropy)
                };
                model.fit(&Loader::new(images, 2), Fit::epochs(1)).map(drop)
            },
            "1: linear needs a floating-point tensor, got u8; convert with .to_dtype(DType::F32)",
        ),
    ]);
}

#[test]
fn transforms() {
    check(&[
        (
            "the statistics of colours for grey images",
            || Pipeline::new().then(Normalize::new(&[0.5; 3], &[0.5; 3])).apply(&ones(&[1, 8, 8]), 0, 0, 0).map(drop),
            "normalize needs an image of 3 channels, got 1",
        ),
        (
            "means and deviations that do not belong together",
            || done(Normalize::new(&[0.5; 3], &[0.5])),
            "normalize: 3 means, but 1 standard deviations",
        ),
        (
            "a deviation of zero",
            || done(Normalize::new(&[0.5], &[0.0])),
            "normalize: the standard deviation 0 is not positive",
        ),
        (
            "a crop larger than the image",
            || {
                Pipeline::new()
                    .then(CenterCrop { height: 224, width: 224 })
                    .apply(&ones(&[3, 32, 32]), 0, 0, 0)
                    .map(drop)
            },
            "center crop to 224 × 224 of an image of 32 × 32: resize it first",
        ),
        (
            "a probability in percent",
            || done(HorizontalFlip::new(50.0)),
            "horizontal flip: the probability 50 is not between 0 and 1",
        ),
        (
            "a table where images belong",
            || Pipeline::new().apply(&ones(&[13]), 0, 0, 0).map(drop),
            "a transform needs an image [channels, height, width], got [13]",
        ),
        ("mixtures of nothing", || done(Mix::up(0.0, 10)), "mixup: alpha is 0, but must be positive"),
        (
            "mixtures of bytes",
            || {
                let images = TensorDataset::new(&Tensor::zeros_with([2, 1, 8, 8], DType::U8), &labels(&[0, 1]));
                Loader::new(images, 2).mix(Mix::up(1.0, 2)).epoch(0).try_for_each(|batch| batch.map(drop))
            },
            "mixing needs f32 inputs and i64 labels [samples], got u8 and i64 [2]; give the loader a transform",
        ),
    ]);
}

#[test]
fn names_and_folders() {
    check(&[
        (
            "a misspelt data set",
            || "fashon-mnist".parse::<datasets::Name>().map(drop),
            "no data set is called `fashon-mnist`; did you mean `fashion-mnist`? There are digits, mnist, fashion-mnist, \
             cifar10, cifar100",
        ),
        (
            "a folder that is not there",
            || {
                datasets::load(datasets::Name::Cifar100, Split::Train, Some(Path::new("nowhere")), &mut |_| ())
                    .map(drop)
            },
            "nowhere: is not a folder; expected one with train.bin, test.bin (or .bin.gz) or cifar-100-binary.tar.gz",
        ),
    ]);
    let missing = std::io::Error::from_raw_os_error(2);
    let error = image::read("nowhere.png", Channels::Rgb).unwrap_err();
    assert_eq!(error.to_string(), format!("nowhere.png: {missing}"));
    let error = ImageFolder::open("nowhere", Channels::Rgb).unwrap_err();
    assert_eq!(error.to_string(), format!("nowhere: {missing}"));
}

#[test]
fn damaged_files() {
    let folder = Folder::new("data");
    let table = |text: &str| text_in(&folder.0, csv::read(folder.write("t.csv", text), &Options::default()));
    for (what, text, message) in [
        ("a row with a cell too few", "a,b,c\n1,2,3\n4,5\n", "t.csv: line 3: 2 cells, but the first line has 3"),
        ("the same after blank lines", "a,b,c\n\n1,2,3\n\n\n4,5\n", "t.csv: line 6: 2 cells, but the first line has 3"),
        (
            "a word among numbers, after blank lines",
            "a,b\n1,2\n\n3,4\n\n5,six\n",
            "t.csv: line 6: \"six\" is no number, but 2 of 3 cells of the column \"b\" are; add it to `missing`, or the \
             column to `categories`",
        ),
        (
            "a word among numbers, after a cell of two lines",
            "a,b\n\"x\ny\",1\nz,2\nw,six\n",
            "t.csv: line 5: \"six\" is no number, but 2 of 3 cells of the column \"b\" are; add it to `missing`, or the \
             column to `categories`",
        ),
        ("nothing", "", "t.csv: an empty table"),
        ("names only", "a,b\n", "t.csv: a table without rows: only a header line was found"),
        ("a name twice", "a,a\n1,2\n", "t.csv: the header has the name \"a\" twice"),
    ] {
        assert_eq!(table(text), message, "{what}");
    }
    let read = csv::read(folder.write("t.csv", "age,job\n1,cook\n"), &Options::default()).unwrap();
    assert_eq!(
        read.column("jobs").unwrap_err().to_string(),
        "the table has no column `jobs`; did you mean `job`? It has age, job"
    );

    let image = |name: &str, bytes: &[u8]| text_in(&folder.0, image::read(folder.write(name, bytes), Channels::Rgb));
    std::fs::create_dir(folder.0.join("photos")).unwrap();
    let photos = || text_in(&folder.0, ImageFolder::open(folder.0.join("photos"), Channels::Rgb));
    let empty = photos();
    folder.write("photos/cat/notes.txt", "a cat");
    compare(&[
        (
            "text as an image",
            image("notes.txt", b"hello, world"),
            "notes.txt: neither PNG nor JPEG: it begins with [68, 65, 6c, 6c, 6f, 2c, 20, 77]",
        ),
        (
            "an image that ends",
            image("cut.png", b"\x89PNG\r\n\x1a\n"),
            "cut.png: a damaged PNG: unexpected end of file",
        ),
        (
            "a folder without classes",
            empty,
            "photos: no sub-folder; expected one per class, as in cat/1.jpg, dog/1.jpg",
        ),
        ("a class without images", photos(), "photos/cat: a class folder without any .png, .jpg or .jpeg file"),
        (
            "text as IDX",
            text_in(&folder.0, idx::read(folder.write("labels", "label,pixel\n"))),
            "labels: not an IDX file: it begins with [6c, 61, 62, 65], expected [00, 00, 08, axes]",
        ),
    ]);
}
