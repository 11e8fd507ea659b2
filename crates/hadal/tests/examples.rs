//! Every example runs on a few hundred drawn digits.

use hadal::data::{ImageSet, Split, digits};

#[allow(dead_code)]
#[path = "../../../examples/distillation.rs"]
mod distillation;
#[allow(dead_code)]
#[path = "../../../examples/s0_cifar10_cnn.rs"]
mod s0_cifar10_cnn;
#[allow(dead_code)]
#[path = "../../../examples/s1_mnist_mlp.rs"]
mod s1_mnist_mlp;
#[allow(dead_code)]
#[path = "../../../examples/s2_keras_mlp.rs"]
mod s2_keras_mlp;
#[allow(dead_code)]
#[path = "../../../examples/s3_keras_cnn.rs"]
mod s3_keras_cnn;
#[allow(dead_code)]
#[path = "../../../examples/s4a_keras_mlp.rs"]
mod s4a_keras_mlp;
#[allow(dead_code)]
#[path = "../../../examples/s4b_pytorch_mlp.rs"]
mod s4b_pytorch_mlp;

/// The first samples of the drawn digits.
fn grey(split: Split, samples: usize) -> ImageSet {
    let mut set = digits::load(split, 0);
    set.images.truncate(samples * digits::PIXELS);
    set.labels.truncate(samples);
    set
}

/// The same in the shape of CIFAR-10: 3 × 32 × 32, with a border of two black pixels.
fn coloured(split: Split, samples: usize) -> ImageSet {
    let set = grey(split, samples);
    let mut images = vec![0; samples * 3 * 32 * 32];
    for (i, plane) in images.chunks_mut(32 * 32).enumerate() {
        for (row, pixels) in set.image(i / 3).chunks(digits::SIDE).enumerate() {
            plane[(row + 2) * 32 + 2..][..digits::SIDE].copy_from_slice(pixels);
        }
    }
    ImageSet { images, shape: [3, 32, 32], ..set }
}

macro_rules! example {
    ($name:ident, $images:ident, $samples:literal, $epochs:literal, $at_least:literal) => {
        mod $name {
            use super::*;

            #[test]
            fn learns() {
                let accuracy =
                    super::super::$name::run($images(Split::Train, $samples), $images(Split::Test, 200), $epochs);
                let accuracy = accuracy.unwrap();
                assert!(accuracy >= $at_least, "accuracy {accuracy}");
            }
        }
    };
}

mod on_drawn_digits {
    use super::*;

    // The bounds are far above chance (0.1) and below what each run reaches, as printed by
    // `cargo test --release -p hadal --test examples -- --nocapture`.
    example!(s0_cifar10_cnn, coloured, 1000, 15, 0.2);
    example!(s1_mnist_mlp, grey, 600, 5, 0.4);
    example!(s2_keras_mlp, grey, 600, 5, 0.4);
    example!(s3_keras_cnn, coloured, 600, 4, 0.4);
    example!(s4a_keras_mlp, grey, 600, 5, 0.4);
    example!(s4b_pytorch_mlp, grey, 600, 5, 0.4);

    #[test]
    fn a_student_reads_digits() {
        let (alone, taught) = distillation::run(grey(Split::Train, 600), grey(Split::Test, 300), 8).unwrap();
        println!("distillation: {alone} alone, {taught} taught");
        assert!(alone > 0.4 && taught > 0.4, "{alone} {taught}");
    }
}
