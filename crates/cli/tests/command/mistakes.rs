//! Mistakes on the command line, in recipes and in data, and exactly what is said about them.
//!
//! Some messages end in the system's own words, which are these on Unix.
#![cfg(unix)]

use super::{Folder, hadal, npy, words};

/// What was done, the arguments, the exit status, and all of standard error.
type Mistake<'a> = (&'a str, &'a [&'a str], i32, &'a str);

/// Runs the table; all lines that say something else are listed together.
#[track_caller]
fn check(folder: &Folder, mistakes: &[Mistake]) {
    let wrong: Vec<String> = mistakes
        .iter()
        .filter_map(|(what, arguments, status, expected)| {
            let (code, said) = words(&folder.run(arguments), folder);
            (code != Some(*status) || said != *expected)
                .then(|| format!("{what}\n  got      {code:?} {said}\n  expected {status} {expected}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

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
fn tables() {
    let folder = Folder::new("tables");
    for (name, text) in [
        ("ragged.csv", "a,b,c\n1,2,x\n\n\n4,5\n"),
        ("word.csv", "a,b\n1,x\n\n2,y\n\nthree,x\n"),
        ("target.csv", "a,b\n1,x\n\n2,\n3,y\n"),
        ("number.csv", "a,b\n1,2\n\n2,\n3,5\n"),
        ("one.csv", "a,b\n1,x\n2,x\n3,x\n"),
        ("good.csv", "a,b\n1,x\n2,y\n3,x\n4,y\n5,x\n6,y\n7,x\n8,y\n9,x\n10,y\n"),
        ("only.csv", "b\nx\ny\nx\ny\nx\ny\nx\ny\nx\ny\n"),
        ("names.csv", "a,b\n"),
        ("semicolons.csv", "a;b\n1;x\n2;y\n3;x\n"),
        ("empty.csv", ""),
        ("unknown.csv", "a,b,kind\n,1,x\n,2,y\n,3,x\n,4,y\n,5,x\n,6,y\n,7,x\n,8,y\n,9,x\n,1,y\n"),
        ("recipe.toml", "[data]\nset = \"csv\"\ntarget = \"kinds\"\ntest = 0.2\n[model]\nname = \"mlp\"\n"),
        ("categories.toml", "[data]\nset = \"csv\"\ncategories = [\"zip\"]\ntest = 0.2\n[model]\nname = \"mlp\"\n"),
        ("all.toml", "[data]\nset = \"csv\"\n[model]\nname = \"mlp\"\n"),
    ] {
        folder.write(name, text);
    }
    check(
        &folder,
        &[
            ("no file named", &["train", "csv"], 1, "error: recipe csv needs data: give the CSV file with --data"),
            (
                "cells missing, after blank lines",
                &["train", "csv", "--data", "DIR/ragged.csv"],
                1,
                "error: DIR/ragged.csv: line 5: 2 cells, but the first line has 3",
            ),
            (
                "a word among numbers, after blank lines",
                &["train", "csv", "--data", "DIR/word.csv"],
                1,
                "error: DIR/word.csv: line 6: \"three\" is no number, but 2 of 3 cells of the column \"a\" are; \
                 add it to `missing`, or the column to `categories`",
            ),
            (
                "no class, after blank lines",
                &["train", "csv", "--data", "DIR/target.csv"],
                1,
                "error: DIR/target.csv: line 4: the target \"b\" is missing; expected one of [\"x\", \"y\"]",
            ),
            (
                "no number, after blank lines",
                &["train", "csv", "--data", "DIR/number.csv"],
                1,
                "error: DIR/number.csv: line 4: the target \"b\" is missing",
            ),
            (
                "one class",
                &["train", "csv", "--data", "DIR/one.csv"],
                1,
                "error: DIR/one.csv: the target \"b\" is always \"x\"",
            ),
            (
                "the target alone",
                &["train", "csv", "--data", "DIR/only.csv"],
                1,
                "error: DIR/only.csv: has only one column, \"b\", and that is the target: nothing to predict it from",
            ),
            (
                "semicolons for commas",
                &["train", "csv", "--data", "DIR/semicolons.csv"],
                1,
                "error: DIR/semicolons.csv: has only one column, \"a;b\", and that is the target: nothing to predict it \
                 from; its cells seem to be separated by ';': set data.delimiter in a recipe",
            ),
            (
                "names alone",
                &["train", "csv", "--data", "DIR/names.csv"],
                1,
                "error: DIR/names.csv: a table without rows: only a header line was found",
            ),
            ("nothing", &["train", "csv", "--data", "DIR/empty.csv"], 1, "error: DIR/empty.csv: an empty table"),
            (
                "a column without values",
                &["train", "csv", "--data", "DIR/unknown.csv"],
                1,
                "error: DIR/unknown.csv: the column \"a\" holds no value at all",
            ),
            (
                "a misspelt target",
                &["train", "DIR/recipe.toml", "--data", "DIR/unknown.csv"],
                1,
                "error: DIR/unknown.csv: the table has no column `kinds`; did you mean `kind`? It has a, b, kind",
            ),
            (
                "a category that is no column",
                &["train", "DIR/categories.toml", "--data", "DIR/unknown.csv"],
                1,
                "error: DIR/unknown.csv: the table has no column `zip`; it has a, b, kind",
            ),
            (
                "nothing to test on",
                &["train", "DIR/all.toml", "--data", "DIR/good.csv"],
                1,
                "error: DIR/good.csv: recipe csv: data.test must say which share to test on",
            ),
            (
                "images in a table",
                &["train", "image-folder", "--data", "DIR/one.csv"],
                1,
                "error: DIR/one.csv: Not a directory (os error 20)",
            ),
            (
                "a model for images",
                &["train", "csv", "--data", "DIR/good.csv", "--model", "cnn"],
                1,
                "error: cnn takes images [channels, height, width], got samples of shape [1]; use mlp",
            ),
        ],
    );
}

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

#[test]
fn model_files() {
    let folder = Folder::new("models");
    let rows: String = (0..40).map(|i| format!("{i},{},{}\n", i % 7, if i < 20 { "low" } else { "high" })).collect();
    folder.write("t.csv", format!("a,b,kind\n{rows}"));
    folder.write("other.csv", "a,b,kind\n1,2,low\n\n2,3,middle\n");
    folder.write("fewer.csv", "a,kind\n1,low\n");
    folder.write("notes.txt", "hello, world: this is not a model");
    folder.write("x/x.npy", npy(&[20, 3], &[0.5; 60]));
    folder.write("x/y.npy", npy(&[20], &[0.5; 20]));
    folder.write("row.npy", npy(&[5], &[0.0; 5]));
    let plain = hadal::nn::state_dict(&hadal::nn::layers::Linear::new(4, 3));
    hadal::format::safetensors::write(folder.0.join("plain.safetensors"), &plain, &Default::default()).unwrap();
    let train = |arguments: &[&str]| {
        let output = folder.run(&[&["train"], arguments].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    train(&["csv", "--data", "DIR/t.csv", "--epochs", "1", "--out", "DIR/table"]);
    train(&["npz", "--data", "DIR/x", "--epochs", "1", "--out", "DIR/arrays"]);
    let (table, arrays) = ("DIR/table/model.safetensors", "DIR/arrays/model.safetensors");
    check(
        &folder,
        &[
            (
                "no file",
                &["evaluate", "DIR/nowhere.safetensors"],
                1,
                "error: DIR/nowhere.safetensors: cannot be read: No such file or directory (os error 2)",
            ),
            (
                "text as a model",
                &["evaluate", "DIR/notes.txt"],
                1,
                "error: DIR/notes.txt: claims a header of 8583909746840200552 bytes, but only 25 follow: it is \
                 truncated or not a safetensors file",
            ),
            (
                "plain weights as a model",
                &["predict", "DIR/plain.safetensors", "a.png"],
                1,
                "error: DIR/plain.safetensors: holds 2 tensors but no model: its metadata lacks \
                 `hadal.architecture`, which says how to build one; these are plain weights, to be loaded into a \
                 model that you name",
            ),
            (
                "a checkpoint as a model",
                &["evaluate", "DIR/table/checkpoint.safetensors"],
                1,
                "error: DIR/table/checkpoint.safetensors: is a checkpoint of a training run, not a model; `hadal train` writes \
                 model.safetensors beside it",
            ),
            (
                "a class that the model does not know",
                &["evaluate", table, "--data", "DIR/other.csv"],
                1,
                "error: DIR/other.csv: line 4: the target \"kind\" is \"middle\"; expected one of [\"high\", \
                 \"low\"]",
            ),
            (
                "a column too few",
                &["evaluate", table, "--data", "DIR/fewer.csv"],
                1,
                "error: DIR/fewer.csv: the table has no column `b`; it has a, kind",
            ),
            (
                "an image for a model of tables",
                &["predict", table, "DIR/a.png"],
                1,
                "error: DIR/a.png: the model takes rows of a table: give CSV files\nerror: 1 of 1 files could not be \
                 used",
            ),
            (
                "an array of another shape",
                &["predict", arrays, "DIR/row.npy"],
                1,
                "error: DIR/row.npy: has shape [5], the model takes [3]\nerror: 1 of 1 files could not be used",
            ),
            (
                "text for a model of arrays",
                &["predict", arrays, "DIR/notes.txt"],
                1,
                "error: DIR/notes.txt: the model takes arrays of shape [3], not images: give .npy files\nerror: 1 \
                 of 1 files could not be used",
            ),
            (
                "a file where a folder should be",
                &["train", "csv", "--data", "DIR/t.csv", "--out", "DIR/t.csv"],
                1,
                "error: DIR/t.csv: cannot be made a folder: File exists (os error 17)",
            ),
            (
                "going on with another model",
                &["train", "csv", "--data", "DIR/t.csv", "--out", "DIR/table", "--resume", "--optimizer", "sgd"],
                1,
                "error: DIR/table/checkpoint.safetensors: was saved with another optimizer: `1.bias.exp_avg` is in \
                 the file and not here (and 7 more)",
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

#[test]
fn classes_that_look_like_numbers() {
    let folder = Folder::new("numbers");
    let rows: String = (0..40).map(|i| format!("{i},{}\n", 1 + i % 3)).collect();
    folder.write("t.csv", format!("a,kind\n{rows}"));
    let (code, said) = words(&folder.run(&["train", "csv", "--data", "DIR/t.csv", "--epochs", "1"]), &folder);
    assert_eq!(code, Some(0));
    assert_eq!(
        said.lines().next().unwrap(),
        "warning: the target \"kind\" has only 3 different values, all whole numbers, and is taken for a quantity; if \
         they are classes, list it in data.categories of a recipe"
    );
}
