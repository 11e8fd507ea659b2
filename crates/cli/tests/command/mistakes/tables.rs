//! In tables.

use super::check;
use crate::{Folder, words};

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
