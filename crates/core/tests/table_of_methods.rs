//! `docs/operations.md` lists every operation of `Tensor`, as the sources of the ops have them.
//!
//! After adding or renaming an op, write it again: `HADAL_WRITE_DOCS=1 cargo test -p hadal-core --test table_of_methods`.

use std::fs;
use std::path::{Path, PathBuf};

const INTRODUCTION: &str = "# Operations

Every operation on tensors, by the folder of its source in `crates/core/src/ops/`. `x.name(…)` is a method of the tensor
x, `Tensor::name(…)` a function. What can be misused panics at the caller's line, and has a twin `try_name` that returns
the error instead. Names, and what they compute, are PyTorch's; axes count from the end when negative.
`cargo doc --open -p hadal-core` has the details.
";

struct Method {
    signature: String,
    sentence: String,
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The first sentence of a documentation comment, with links as plain code.
fn first_sentence(comment: &[&str]) -> String {
    let paragraph: Vec<&str> = comment.iter().copied().take_while(|line| !line.is_empty()).collect();
    let text = paragraph.join(" ").replace("[`Tensor::", "`").replace("[`", "`").replace("`]", "`").replace('|', "\\|");
    let ends = |(at, _): &(usize, &str)| text[at + 2..].starts_with(|c: char| c.is_uppercase() || c == '`');
    let end = text.match_indices(". ").find(ends).map_or(text.len(), |(at, _)| at + 1);
    text[..end].to_owned()
}

/// `x.name(a, b)` of `name(&self, a: A, b: impl Fn(B) -> C) -> D`.
fn call(signature: &str) -> String {
    let (name, rest) = signature.split_once('(').expect("a parameter list");
    let (mut depth, mut parameters) = (0, vec![String::new()]);
    for c in rest.chars() {
        match c {
            '(' | '[' | '<' => depth += 1,
            ')' if depth == 0 => break,
            ')' | ']' | '>' => depth -= 1,
            ',' if depth == 0 => {
                parameters.push(String::new());
                continue;
            }
            _ => {}
        }
        parameters.last_mut().expect("one at least").push(c);
    }
    // A pattern such as `[height, width]: [usize; 2]` is its own name.
    let names = parameters.iter().filter_map(|p| p.rsplit_once(": ").map(|(name, _)| name.trim()));
    let receiver = if parameters[0].trim() == "&self" { "x." } else { "Tensor::" };
    format!("{receiver}{name}({})", names.collect::<Vec<_>>().join(", "))
}

/// The public methods of `Tensor` in a source file.
fn methods(text: &str) -> Vec<Method> {
    let (mut found, mut of_tensor, mut comment) = (Vec::new(), false, Vec::new());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("impl") {
            of_tensor = line == "impl Tensor {";
        }
        match line.trim_start() {
            inner if inner.starts_with("///") => comment.push(inner[3..].trim()),
            inner if inner.starts_with("pub fn ") && of_tensor => {
                let mut signature = inner["pub fn ".len()..].to_owned();
                while !signature.ends_with('{') {
                    signature += lines.next().expect("the rest of the signature").trim();
                }
                found.push(Method { signature: call(&signature), sentence: first_sentence(&comment) });
                comment.clear();
            }
            _ => comment.clear(),
        }
    }
    found
}

/// The groups of the table in `ops/mod.rs`: documentation, name, files.
fn groups(table: &str) -> Vec<(String, String, Vec<String>)> {
    let start = table.find("\nops! {").expect("the table") + "\nops! {".len();
    let body = &table[start..start + table[start..].find("\n}").expect("its end")];
    let group = |text: &str| {
        let (doc, rest) = text.trim().split_once('\n')?;
        let (name, files) = rest.split_once(':')?;
        let files = files.split_whitespace().map(|f| f.trim_start_matches("r#").to_owned()).collect();
        Some((doc.trim_start_matches('/').trim().to_owned(), name.trim().to_owned(), files))
    };
    body.split(';').filter_map(group).collect()
}

#[test]
fn the_document_lists_every_method() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ops: PathBuf = root.join("src/ops");
    let (mut text, mut count) = (INTRODUCTION.to_owned(), 0);
    for (doc, name, files) in groups(&read(&ops.join("mod.rs"))) {
        text += &format!("\n## {name}\n{doc}\n\n| operation | result |\n|---|---|\n");
        for file in files {
            for method in methods(&read(&ops.join(&name).join(format!("{file}.rs")))) {
                count += 1;
                text += &format!("| `{}` | {} |\n", method.signature, method.sentence);
            }
        }
    }
    assert!(count > 300, "the sources were read: {count} methods");
    let path = root.join("../../docs/operations.md");
    if std::env::var_os("HADAL_WRITE_DOCS").is_some() {
        fs::write(&path, &text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }
    let written = read(&path);
    let differs = text.lines().zip(written.lines()).find(|(a, b)| a != b);
    let message = "docs/operations.md is out of date; write it again with \
                   HADAL_WRITE_DOCS=1 cargo test -p hadal-core --test table_of_methods";
    assert!(text == written, "{message}\nfirst difference (source, document): {differs:#?}");
}
