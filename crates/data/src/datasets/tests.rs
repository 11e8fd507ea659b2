//! Small files in every accepted place, and the real ones where `HADAL_DATA` has them.

use super::*;
use crate::tar::tests::archive;
use crate::testing::{Folder, compress, fails, folder, real_data};

fn offline(name: Name, split: Split, data: &Path) -> Result<ImageSet> {
    load(name, split, Some(data), &mut |_| {})
}

/// An IDX file of this shape, counting up from `first`.
fn idx_file(shape: &[u8], first: u8) -> Vec<u8> {
    let header = [0, 0, 8, shape.len() as u8];
    let sizes = shape.iter().flat_map(|&size| [0, 0, 0, size]);
    let count: usize = shape.iter().map(|&size| usize::from(size)).product();
    header.into_iter().chain(sizes).chain((0..count).map(|i| first.wrapping_add(i as u8))).collect()
}

fn write_mnist(folder: &Folder, place: &str) {
    folder.write(format!("{place}t10k-images-idx3-ubyte"), idx_file(&[2, 3, 4], 100));
    folder.write(format!("{place}t10k-labels-idx1-ubyte.gz"), compress(&idx_file(&[2], 8)));
}

#[test]
fn mnist_is_found_in_every_accepted_place() {
    for place in ["", "mnist/", "MNIST/raw/"] {
        let folder = folder();
        write_mnist(&folder, place);
        let set = offline(Name::Mnist, Split::Test, &folder.path("")).unwrap();
        assert_eq!((set.shape, set.len(), &set.labels[..]), ([1, 3, 4], 2, &[8, 9][..]));
        assert_eq!(set.image(1)[0], 112);
        fails(offline(Name::Mnist, Split::Train, &folder.path("")), &["no mnist files for the train split"]);
    }
}

#[test]
fn mismatched_files_are_named() {
    let folder = folder();
    write_mnist(&folder, "");
    folder.write("t10k-labels-idx1-ubyte.gz", compress(&idx_file(&[3], 0)));
    fails(offline(Name::Mnist, Split::Test, &folder.path("")), &["t10k-labels", "expected 2 labels", "[3]"]);
    folder.write("t10k-labels-idx1-ubyte.gz", compress(&idx_file(&[2], 9)));
    fails(offline(Name::Mnist, Split::Test, &folder.path("")), &["label 10 of sample 1"]);
    folder.write("t10k-images-idx3-ubyte", idx_file(&[2], 0));
    fails(offline(Name::Mnist, Split::Test, &folder.path("")), &["t10k-images", "[samples, rows, columns]"]);
}

#[test]
fn fashion_mnist_is_not_taken_for_mnist() {
    let folder = folder();
    folder.write("t10k-images-idx3-ubyte", idx_file(&[12, 1, 1], 0));
    let labels = [&[0, 0, 8, 1, 0, 0, 0, 12][..], &published::first_labels(Name::FashionMnist, Split::Test)].concat();
    folder.write("t10k-labels-idx1-ubyte", labels);
    fails(offline(Name::Mnist, Split::Test, &folder.path("")), &["this is fashion-mnist, not mnist"]);
    assert_eq!(offline(Name::FashionMnist, Split::Test, &folder.path("")).unwrap().len(), 12);
}

fn record(labels: &[u8], pixel: u8) -> Vec<u8> {
    [labels, &[pixel; cifar::PIXELS]].concat()
}

#[test]
fn cifar_from_batches_and_from_the_archive() {
    let folder = folder();
    folder.write("cifar10/data_batch_2.bin", record(&[2], 20));
    folder.write("cifar10/data_batch_1.bin.gz", compress(&[record(&[1], 10), record(&[3], 30)].concat()));
    let set = offline(Name::Cifar10, Split::Train, &folder.path("")).unwrap();
    assert_eq!((set.shape, &set.labels[..], set.image(2)[0]), ([3, 32, 32], &[1, 3, 2][..], 20));
    fails(offline(Name::Cifar10, Split::Test, &folder.path("")), &["no cifar10 files for the test split"]);

    let (test, train) = (record(&[19, 99], 7), record(&[0, 42], 8));
    let files: [(&str, &[u8]); 3] =
        [("c/fine_label_names.txt", b"apple"), ("c/test.bin", &test), ("c/train.bin", &train)];
    folder.write("cifar-100-binary.tar.gz", archive(&files));
    for (split, label) in [(Split::Test, 99), (Split::Train, 42)] {
        assert_eq!(offline(Name::Cifar100, split, &folder.path("")).unwrap().labels, [label]);
    }
}

#[test]
fn names_are_parsed() {
    for name in Name::ALL {
        assert_eq!(name.as_str().parse::<Name>().unwrap(), name);
    }
    fails("imagenet".parse::<Name>(), &["`imagenet`", "digits, mnist, fashion-mnist, cifar10, cifar100"]);
}

#[test]
fn the_real_mnist() {
    let Some(root) = real_data("mnist") else { return };
    let train = offline(Name::Mnist, Split::Train, &root).unwrap();
    let test = offline(Name::Mnist, Split::Test, &root).unwrap();
    assert_eq!((train.len(), test.len(), train.shape), (60_000, 10_000, [1, 28, 28]));
    for (set, split) in [(&train, Split::Train), (&test, Split::Test)] {
        assert!(set.labels.starts_with(&published::first_labels(Name::Mnist, split)));
    }
    // The constants of every MNIST tutorial.
    let (mean, std) = train.mean_and_std();
    assert!((mean[0] - 0.1307).abs() < 1e-4 && (std[0] - 0.3081).abs() < 1e-4, "{mean:?} {std:?}");
}

#[test]
fn the_real_fashion_mnist() {
    let Some(root) = real_data("fashion-mnist") else { return };
    let train = offline(Name::FashionMnist, Split::Train, &root).unwrap();
    let test = offline(Name::FashionMnist, Split::Test, &root).unwrap();
    assert_eq!((train.len(), test.len()), (60_000, 10_000));
    let (mean, std) = train.mean_and_std();
    assert!((mean[0] - 0.2860).abs() < 1e-4 && (std[0] - 0.3530).abs() < 1e-4, "{mean:?} {std:?}");
    for split in [Split::Train, Split::Test] {
        fails(offline(Name::Mnist, split, &root.join("fashion-mnist")), &["this is fashion-mnist, not mnist"]);
    }
}

#[test]
fn the_real_cifar10_or_a_part_of_it() {
    let Some(root) = real_data("cifar10-subset") else { return };
    let train = offline(Name::Cifar10, Split::Train, &root).unwrap();
    let test = offline(Name::Cifar10, Split::Test, &root).unwrap();
    assert_eq!((train.len(), test.len()), (20_000, 3_000));
    let class = |set: &ImageSet| set.classes[usize::from(set.labels[0])].clone();
    assert_eq!((class(&train), class(&test)), ("frog".into(), "cat".into()));
    let (mean, _) = train.mean_and_std();
    for (found, published) in mean.iter().zip([0.4914, 0.4822, 0.4465]) {
        assert!((found - published).abs() < 3e-3, "{mean:?}");
    }
}
