//! An op is one file and one word in the table of `ops/mod.rs`; nothing else in the workspace knows its struct.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the workspace's crates")
}

/// The Rust sources of every crate, without tests and benchmarks.
fn sources(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.expect("a directory entry").path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if path.is_dir() && !["tests", "benches", "target"].contains(&name) {
            sources(&path, found);
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            found.push((path, text));
        }
    }
}

/// The files that the table `ops! { group: name name …; }` names.
fn table(text: &str) -> BTreeSet<String> {
    let start = text.find("\nops! {").expect("the table") + "\nops! {".len();
    let body = &text[start..start + text[start..].find("\n}").expect("its end")];
    let lines: String = body.lines().filter(|line| !line.trim_start().starts_with("///")).collect::<Vec<_>>().join(" ");
    let groups = lines.split(';').filter_map(|group| group.split_once(':'));
    let files = groups.flat_map(|(group, names)| {
        names.split_whitespace().map(move |name| format!("{}/{}.rs", group.trim(), name.trim_start_matches("r#")))
    });
    files.collect()
}

/// The structs that a file makes an op of, by `impl Op for` or `impl Function for`.
fn ops_of(text: &str) -> Vec<&str> {
    let after = |line: &'static str| text.split(line).skip(1);
    after("impl Op for ")
        .chain(after("impl Function for "))
        .map(|rest| rest.split([' ', '<', '{']).next().unwrap_or(rest))
        .collect()
}

/// Whether `word` occurs in code, as a whole word outside comments and strings on the same line.
fn mentions(text: &str, word: &str) -> bool {
    let part_of_a_word = |c: char| c.is_alphanumeric() || c == '_';
    let code = text.lines().map(|line| line.split("//").next().unwrap_or(line));
    code.flat_map(|line| line.split('"').step_by(2)).any(|code| {
        code.match_indices(word).any(|(at, _)| {
            !code[..at].ends_with(part_of_a_word) && !code[at + word.len()..].starts_with(part_of_a_word)
        })
    })
}

#[test]
fn the_table_names_every_file() {
    let ops = crates().join("core/src/ops");
    let table = table(&fs::read_to_string(ops.join("mod.rs")).expect("ops/mod.rs"));
    let mut found = Vec::new();
    sources(&ops, &mut found);
    let files: BTreeSet<String> = found
        .iter()
        .filter_map(|(path, _)| Some(path.strip_prefix(&ops).ok()?.to_str()?.replace('\\', "/")))
        .filter(|name| name.contains('/'))
        // A file that several ops share may have parts: `pool/pooling/means.rs` is one of `pool/pooling.rs`.
        .filter(|name| !name.rsplit_once('/').is_some_and(|(folder, _)| table.contains(&format!("{folder}.rs"))))
        .collect();
    assert!(table.len() > 100, "the table was read: {} ops", table.len());
    assert_eq!(table, files, "left: the table, right: the files");
}

/// Ops that share their name with something else in the crate: traits of `std::ops`, or a type or enum variant
/// of another meaning (`std::any::Any`, `Interpolation::Linear`, `Reduction::Mean`).
const OTHER_MEANINGS: [&str; 12] =
    ["Add", "Sub", "Mul", "Div", "Neg", "Any", "Linear", "Sum", "Mean", "Prod", "Amax", "Amin"];

#[test]
fn an_op_is_known_to_its_file_alone() {
    let mut all = Vec::new();
    sources(&crates().join("core/src"), &mut all);
    let (mut ops, mut failures) = (0, Vec::new());
    for (home, text) in all.iter().filter(|(path, _)| path.components().any(|c| c.as_os_str() == "ops")) {
        for op in ops_of(text) {
            ops += 1;
            if mentions(text, &format!("pub struct {op}")) {
                failures.push(format!("{}: `{op}` is public", home.display()));
            }
            let others = all.iter().filter(|(other, _)| other != home && !OTHER_MEANINGS.contains(&op));
            for (other, _) in others.filter(|(_, text)| mentions(text, op)) {
                failures.push(format!("{}: mentions `{op}` of {}", other.display(), home.display()));
            }
        }
    }
    println!("{ops} ops");
    assert!(ops > 60, "the files were read: {ops} ops");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Every code block of the guide that names its file stands there word for word.
#[test]
fn the_guide_quotes_real_code() {
    let root = crates().join("..");
    let guide = fs::read_to_string(root.join("docs/anatomy-of-an-op.md")).expect("docs/anatomy-of-an-op.md");
    let blocks: Vec<&str> = guide.split("```rust file=").skip(1).collect();
    assert!(blocks.len() >= 5, "the guide has code");
    for block in blocks {
        let (file, rest) = block.split_once('\n').expect("a line with the file's name");
        let code = rest.split("```").next().unwrap_or(rest);
        let text = fs::read_to_string(root.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        assert!(text.contains(code), "{file} does not contain:\n{code}");
    }
}
