//! Where each published data set lives: mirrors, checksums, file and folder names, classes.

use std::path::{Path, PathBuf};

use super::Name;
use crate::Split;
use crate::download::Remote;

/// Folders below a data folder in which a set may be, the most telling first.
pub fn folders(name: Name) -> &'static [&'static str] {
    match name {
        Name::Digits => &[],
        Name::Mnist => &["mnist", "MNIST", "MNIST/raw", ""],
        Name::FashionMnist => &["fashion-mnist", "fashion_mnist", "FashionMNIST", "FashionMNIST/raw", ""],
        Name::Cifar10 => {
            &["cifar10", "cifar-10", "cifar10-subset", "cifar-10-batches-bin", "cifar10/cifar-10-batches-bin", ""]
        }
        Name::Cifar100 => &["cifar100", "cifar-100", "cifar-100-binary", "cifar100/cifar-100-binary", ""],
    }
}

/// The files of a set, for a message.
pub fn files(name: Name) -> &'static str {
    match name {
        Name::Digits => "no file",
        Name::Mnist | Name::FashionMnist => {
            "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte (or .gz)"
        }
        Name::Cifar10 => "data_batch_1.bin …, test_batch.bin (or .bin.gz) or cifar-10-binary.tar.gz",
        Name::Cifar100 => "train.bin, test.bin (or .bin.gz) or cifar-100-binary.tar.gz",
    }
}

/// Whether `folder` holds a split.
pub fn is_here(name: Name, split: Split, folder: &Path) -> bool {
    match name {
        Name::Digits => true,
        Name::Mnist | Name::FashionMnist => mnist_files(split, folder).is_some(),
        Name::Cifar10 | Name::Cifar100 => {
            folder.join(archive(name)).is_file() || !cifar_batches(name, split, folder).is_empty()
        }
    }
}

/// The image file and the label file of MNIST's or Fashion-MNIST's split, if both are there.
pub fn mnist_files(split: Split, folder: &Path) -> Option<[PathBuf; 2]> {
    let find = |part: &str| {
        let names = [part.to_string(), format!("{part}.gz"), part.replace("-idx", ".idx")];
        names.iter().map(|name| folder.join(name)).find(|path| path.is_file())
    };
    let prefix = mnist_prefix(split);
    Some([find(&format!("{prefix}-images-idx3-ubyte"))?, find(&format!("{prefix}-labels-idx1-ubyte"))?])
}

fn mnist_prefix(split: Split) -> &'static str {
    match split {
        Split::Train => "train",
        Split::Test => "t10k",
    }
}

/// CIFAR's batch files for a split, sorted by name.
pub fn cifar_batches(name: Name, split: Split, folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_batch = |path: &PathBuf| {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        is_cifar_batch(name, split, file.strip_suffix(".gz").unwrap_or(&file))
    };
    let mut batches: Vec<PathBuf> = files.filter(is_batch).collect();
    batches.sort();
    batches
}

/// Whether a file of this name holds records of the split: `data_batch_1.bin`, `test.bin`.
pub fn is_cifar_batch(name: Name, split: Split, file: &str) -> bool {
    let start = match (name, split) {
        (Name::Cifar10, Split::Train) => "data_batch",
        (Name::Cifar10, Split::Test) => "test_batch",
        (_, Split::Train) => "train.bin",
        (_, Split::Test) => "test.bin",
    };
    file.starts_with(start) && file.ends_with(".bin")
}

/// CIFAR's archive.
pub fn archive(name: Name) -> &'static str {
    if name == Name::Cifar10 { "cifar-10-binary.tar.gz" } else { "cifar-100-binary.tar.gz" }
}

/// What to download for a split.
pub fn remotes(name: Name, split: Split) -> Vec<Remote> {
    const MNIST: [&str; 2] =
        ["https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"];
    const FASHION: [&str; 3] = [
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    ];
    const CIFAR10: [&str; 2] =
        ["https://www.cs.toronto.edu/~kriz/", "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/"];
    const CIFAR100: [&str; 1] = ["https://www.cs.toronto.edu/~kriz/"];
    // Sizes and SHA-256 of MNIST and Fashion-MNIST were taken from files with the MD5 sums that torchvision lists;
    // those of CIFAR are TensorFlow Datasets'.
    let (mirrors, files): (&[&str], &[(&str, u64, &str)]) = match (name, split) {
        (Name::Digits, _) => (&[], &[]),
        (Name::Mnist, Split::Train) => (
            &MNIST,
            &[
                ("images-idx3", 9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
                ("labels-idx1", 28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
            ],
        ),
        (Name::Mnist, Split::Test) => (
            &MNIST,
            &[
                ("images-idx3", 1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
                ("labels-idx1", 4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
            ],
        ),
        (Name::FashionMnist, Split::Train) => (
            &FASHION,
            &[
                ("images-idx3", 26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
                ("labels-idx1", 29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
            ],
        ),
        (Name::FashionMnist, Split::Test) => (
            &FASHION,
            &[
                ("images-idx3", 4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
                ("labels-idx1", 5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
            ],
        ),
        (Name::Cifar10, _) => {
            (&CIFAR10, &[("", 170_052_171, "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd")])
        }
        (Name::Cifar100, _) => {
            (&CIFAR100, &[("", 168_513_733, "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec")])
        }
    };
    let remote = |&(part, bytes, sha256): &(&str, u64, &str)| {
        let name = match part {
            "" => archive(name).to_string(),
            part => format!("{}-{part}-ubyte.gz", mnist_prefix(split)),
        };
        let mirrors = mirrors.iter().map(|mirror| format!("{mirror}{name}")).collect();
        Remote { mirrors, name, bytes, sha256: sha256.to_string() }
    };
    files.iter().map(remote).collect()
}

/// The first labels of MNIST and Fashion-MNIST, by which files with the same names are told apart.
pub fn first_labels(name: Name, split: Split) -> [u8; 12] {
    match (name, split) {
        (Name::Mnist, Split::Train) => [5, 0, 4, 1, 9, 2, 1, 3, 1, 4, 3, 5],
        (Name::Mnist, Split::Test) => [7, 2, 1, 0, 4, 1, 4, 9, 5, 9, 0, 6],
        (_, Split::Train) => [9, 0, 0, 3, 0, 2, 7, 2, 5, 5, 0, 9],
        (_, Split::Test) => [9, 2, 1, 1, 6, 1, 4, 6, 5, 7, 4, 5],
    }
}

/// Names of the classes in the order of the labels.
pub fn classes(name: Name) -> Vec<String> {
    let names = match name {
        Name::Digits | Name::Mnist => "0,1,2,3,4,5,6,7,8,9",
        Name::FashionMnist => "T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot",
        Name::Cifar10 => "airplane,automobile,bird,cat,deer,dog,frog,horse,ship,truck",
        Name::Cifar100 => {
            "apple,aquarium_fish,baby,bear,beaver,bed,bee,beetle,bicycle,bottle,bowl,boy,bridge,bus,butterfly,camel,\
             can,castle,caterpillar,cattle,chair,chimpanzee,clock,cloud,cockroach,couch,crab,crocodile,cup,dinosaur,\
             dolphin,elephant,flatfish,forest,fox,girl,hamster,house,kangaroo,keyboard,lamp,lawn_mower,leopard,lion,\
             lizard,lobster,man,maple_tree,motorcycle,mountain,mouse,mushroom,oak_tree,orange,orchid,otter,palm_tree,\
             pear,pickup_truck,pine_tree,plain,plate,poppy,porcupine,possum,rabbit,raccoon,ray,road,rocket,rose,sea,\
             seal,shark,shrew,skunk,skyscraper,snail,snake,spider,squirrel,streetcar,sunflower,sweet_pepper,table,\
             tank,telephone,television,tiger,tractor,train,trout,tulip,turtle,wardrobe,whale,willow_tree,wolf,woman,worm"
        }
    };
    names.split(',').map(String::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_set_has_its_classes_in_order() {
        for (name, count) in [(Name::Digits, 10), (Name::FashionMnist, 10), (Name::Cifar10, 10), (Name::Cifar100, 100)]
        {
            assert_eq!(classes(name).len(), count, "{name}");
        }
        assert!(classes(Name::Cifar10).is_sorted() && classes(Name::Cifar100).is_sorted());
    }

    #[test]
    fn checksums_are_sha256() {
        for name in Name::ALL {
            for remote in [Split::Train, Split::Test].into_iter().flat_map(|split| remotes(name, split)) {
                let is_hex = remote.sha256.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c));
                assert!(remote.sha256.len() == 64 && is_hex, "{remote:?}");
                assert!(remote.mirrors.iter().all(|url| url.ends_with(&format!("/{}", remote.name))), "{remote:?}");
            }
        }
    }
}
