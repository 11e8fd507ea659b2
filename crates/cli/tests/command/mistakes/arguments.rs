//! On the command line.

use super::check;
use crate::{Folder, hadal, words};

#[test]
fn arguments() {
    let folder = Folder::new("arguments");
    check(
        &folder,
        &[
            (
                "no epochs",
                &["train", "digits", "--epochs", "0"],
                2,
                "error: invalid value '0' for '--epochs <N>': expected a whole number of at least 1\n\nFor more \
                 information, try '--help'.",
            ),
            (
                "less than no samples",
                &["train", "digits", "--batch-size=-3"],
                2,
                "error: invalid value '-3' for '--batch-size <N>': expected a whole number of at least 1\n\nFor \
                 more information, try '--help'.",
            ),
            (
                "a negative learning rate",
                &["train", "digits", "--lr", "-0.1"],
                2,
                "error: invalid value '-0.1' for '--lr <X>': expected a number above 0\n\nFor more information, \
                 try '--help'.",
            ),
            (
                "a rate that is no number",
                &["train", "digits", "--lr", "fast"],
                2,
                "error: invalid value 'fast' for '--lr <X>': expected a number above 0\n\nFor more information, \
                 try '--help'.",
            ),
            (
                "no threads",
                &["train", "digits", "--threads", "0"],
                2,
                "error: invalid value '0' for '--threads <N>': expected a whole number of at least 1\n\nFor more \
                 information, try '--help'.",
            ),
            (
                "no samples",
                &["train", "digits", "--limit", "0"],
                2,
                "error: invalid value '0' for '--limit <N>': expected a whole number of at least 1\n\nFor more \
                 information, try '--help'.",
            ),
            (
                "going on from nowhere",
                &["train", "digits", "--resume"],
                2,
                "error: the following required arguments were not provided:\n  --out <DIR>\n\nUsage: hadal train \
                 --out <DIR> --resume <RECIPE>\n\nFor more information, try '--help'.",
            ),
            (
                "a misspelt flag",
                &["train", "digits", "--epoch", "3"],
                2,
                "error: unexpected argument '--epoch' found\n\n  tip: a similar argument exists: \
                 '--epochs'\n\nUsage: hadal train --epochs <N> <RECIPE>\n\nFor more information, try '--help'.",
            ),
            (
                "no recipe",
                &["train"],
                2,
                "error: the following required arguments were not provided:\n  <RECIPE>\n\nUsage: hadal train \
                 <RECIPE>\n\nFor more information, try '--help'.",
            ),
            (
                "a misspelt command",
                &["trian", "digits"],
                2,
                "error: unrecognized subcommand 'trian'\n\n  tip: a similar subcommand exists: 'train'\n\nUsage: \
                 hadal [OPTIONS] <COMMAND>\n\nFor more information, try '--help'.",
            ),
            (
                "nothing to predict",
                &["predict", "model.safetensors"],
                2,
                "error: the following required arguments were not provided:\n  <FILE>...\n\nUsage: hadal predict \
                 <MODEL> <FILE>...\n\nFor more information, try '--help'.",
            ),
            (
                "the best none",
                &["predict", "model.safetensors", "a.png", "--top", "0"],
                2,
                "error: invalid value '0' for '--top <K>': expected a whole number of at least 1\n\nFor more \
                 information, try '--help'.",
            ),
            (
                "images without rows",
                &["summary", "cnn", "--input", "1,0,28"],
                2,
                "error: invalid value '0' for '--input <C,H,W>': expected a whole number of at least 1\n\nFor more \
                 information, try '--help'.",
            ),
            (
                "a misspelt recipe",
                &["train", "minst"],
                1,
                "error: no recipe is called `minst`; did you mean `mnist`? There are digits, mnist, fashion-mnist, \
                 cifar10, image-folder, csv, npz, or give a .toml file",
            ),
            (
                "a misspelt model",
                &["train", "digits", "--model", "lente"],
                1,
                "error: no model is called `lente`; did you mean `lenet`? There are MODELS",
            ),
            (
                "a misspelt optimizer",
                &["train", "digits", "--optimizer", "Adam W"],
                1,
                "error: no optimizer is called `Adam W`; did you mean `adamw`? There are sgd, adam, adamw, \
                 rmsprop, adagrad, adadelta, adamax, nadam, radam, lion",
            ),
            (
                "an unknown model",
                &["summary", "transformer"],
                1,
                "error: no model is called `transformer`; there are MODELS",
            ),
            (
                "a model for larger images",
                &["summary", "lenet", "--input", "1,8,8"],
                1,
                "error: lenet needs larger images than 8 × 8",
            ),
        ],
    );
    let threads = hadal(&["models"]).env("HADAL_THREADS", "none").output().unwrap();
    assert_eq!(words(&threads, &folder), (Some(2), "error: invalid value 'none' for '--threads <N>': expected a whole number of at least 1\n\nFor more information, try '--help'.".into()));
}
