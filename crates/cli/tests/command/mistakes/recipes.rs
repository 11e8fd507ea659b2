//! In recipes.

use super::check;
use crate::{Folder, words};

#[test]
fn recipes() {
    let folder = Folder::new("recipes");
    let digits = "[data]\nset = \"digits\"\n[model]\nname = \"cnn\"\n";
    for (name, text) in [
        ("key.toml", format!("{digits}[train]\nepoch = 3\n")),
        ("type.toml", format!("{digits}[train]\nepochs = \"three\"\n")),
        ("syntax.toml", format!("{digits}[train\nepochs = 3\n")),
        ("half.toml", "[data]\nset = \"digits\"\n".into()),
        ("zero.toml", format!("{digits}[train]\nepochs = 0\n")),
        ("share.toml", "[data]\nset = \"digits\"\nvalidation = 10\n[model]\nname = \"cnn\"\n".into()),
        ("set.toml", "[data]\nset = \"cifar-10\"\n[model]\nname = \"cnn\"\n".into()),
        ("augment.toml", "[data]\nset = \"digits\"\naugment = [\"flips\"]\n[model]\nname = \"cnn\"\n".into()),
        ("schedule.toml", format!("{digits}[optimizer]\nschedule = \"cosin\"\n")),
        ("rate.toml", format!("{digits}[optimizer]\nlr = -0.1\n")),
        ("momentum.toml", format!("{digits}[optimizer]\nmomentum = 0.9\n")),
        ("target.toml", digits.replace("[model]", "target = \"x\"\n[model]")),
        ("share-of-digits.toml", digits.replace("[model]", "test = 0.5\n[model]")),
        ("flipped.toml", "[data]\nset = \"csv\"\naugment = [\"flip\"]\n[model]\nname = \"mlp\"\n".into()),
        ("smoothing.toml", format!("{digits}[train]\nlabel_smoothing = 10.0\n")),
    ] {
        folder.write(name, text);
    }
    check(
        &folder,
        &[
            (
                "a misspelt key",
                &["train", "DIR/key.toml"],
                1,
                "error: DIR/key.toml: TOML parse error at line 6, column 1\n  |\n6 | epoch = 3\n  | ^^^^^\nunknown \
                 field `epoch`, expected one of `epochs`, `batch_size`, `seed`, `patience`, `clip_norm`, \
                 `accumulate`, `label_smoothing`; did you mean `epochs`?",
            ),
            (
                "a word for a number",
                &["train", "DIR/type.toml"],
                1,
                "error: DIR/type.toml: TOML parse error at line 6, column 10\n  |\n6 | epochs = \"three\"\n  |          \
                 ^^^^^^^\ninvalid type: string \"three\", expected usize",
            ),
            (
                "a bracket that is not closed",
                &["train", "DIR/syntax.toml"],
                1,
                "error: DIR/syntax.toml: TOML parse error at line 5, column 7\n  |\n5 | [train\n  |       \
                 ^\nunclosed table, expected `]`",
            ),
            (
                "no model",
                &["train", "DIR/half.toml"],
                1,
                "error: DIR/half.toml: TOML parse error at line 1, column 1\n  |\n1 | [data]\n  | ^\nmissing field \
                 `model`",
            ),
            ("no epochs", &["train", "DIR/zero.toml"], 1, "error: DIR/zero.toml: train.epochs must be at least 1"),
            (
                "a share in percent",
                &["train", "DIR/share.toml"],
                1,
                "error: DIR/share.toml: data.validation is a share from 0 to below 1, got 10",
            ),
            (
                "a misspelt data set",
                &["train", "DIR/set.toml"],
                1,
                "error: DIR/set.toml: no data set is called `cifar-10`; did you mean `cifar10`? There are digits, \
                 mnist, fashion-mnist, cifar10, cifar100, image-folder, csv, npz",
            ),
            (
                "a misspelt augmentation",
                &["train", "DIR/augment.toml"],
                1,
                "error: DIR/augment.toml: no augmentation is called `flips`; did you mean `flip`? There are flip, \
                 crop, rotate, erase, randaugment, trivialaugment",
            ),
            (
                "a misspelt schedule",
                &["train", "DIR/schedule.toml"],
                1,
                "error: DIR/schedule.toml: no schedule is called `cosin`; did you mean `cosine`? There are \
                 constant, cosine, one-cycle",
            ),
            (
                "a negative rate",
                &["train", "DIR/rate.toml"],
                1,
                "error: DIR/rate.toml: optimizer.lr must be a positive number, got -0.1",
            ),
            (
                "momentum for Adam",
                &["train", "DIR/momentum.toml"],
                1,
                "error: DIR/momentum.toml: optimizer.momentum is for sgd and rmsprop, not for adam",
            ),
            (
                "smoothing in percent",
                &["train", "DIR/smoothing.toml"],
                1,
                "error: DIR/smoothing.toml: train.label_smoothing must be from 0 to below 1, got 10",
            ),
            (
                "a target column of images",
                &["train", "DIR/target.toml"],
                1,
                "error: DIR/target.toml: data.target is for csv, not for digits",
            ),
            (
                "a share of data that has a test part",
                &["train", "DIR/share-of-digits.toml"],
                1,
                "error: DIR/share-of-digits.toml: data.test is for data that comes in one piece, not for digits",
            ),
            (
                "a table flipped",
                &["train", "DIR/flipped.toml"],
                1,
                "error: DIR/flipped.toml: data.augment is for images, not for csv",
            ),
            (
                "a recipe that is not there",
                &["train", "DIR/nowhere.toml"],
                1,
                "error: DIR/nowhere.toml: No such file or directory (os error 2)",
            ),
        ],
    );
}

#[test]
fn a_learning_rate_far_too_high() {
    let folder = Folder::new("rate");
    let rows: String = (0..40).map(|i| format!("{i},{}\n", if i < 20 { "low" } else { "high" })).collect();
    folder.write("t.csv", format!("a,kind\n{rows}"));
    let arguments = ["train", "csv", "--data", "DIR/t.csv", "--epochs", "1", "--lr", "1e30", "--out", "DIR/run"];
    let (code, said) = words(&folder.run(&arguments), &folder);
    assert_eq!(code, Some(1));
    assert_eq!(
        said.lines().last().unwrap(),
        "error: the test loss is NaN: the weights are useless, and no model was saved; try a learning rate below 1e30 \
         (--lr), or train.clip_norm in a recipe"
    );
    assert!(!folder.0.join("run/model.safetensors").exists());
}
