//! The list of operators in `docs/onnx.md` is that of the registry.
//!
//! After adding an operator, write it again: `HADAL_WRITE_DOCS=1 cargo test -p hadal-onnx --test documentation`.

use std::path::Path;

const MARK: &str = "<!-- operators -->\n";

fn list() -> String {
    let mut text = String::new();
    let mut domain = "";
    for operator in hadal_onnx::operators() {
        if operator.domain != domain {
            domain = operator.domain;
            text += &format!("\n\n**{domain}**:");
        }
        text += &format!(" {} {} ·", operator.name, operator.since);
    }
    text.replace(" ·\n", "\n").trim_end_matches(" ·").trim_start().to_owned() + "\n"
}

#[test]
fn the_list_of_operators_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/onnx.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, present) = text.split_once(MARK).unwrap();
    if std::env::var_os("HADAL_WRITE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}{MARK}{}", list())).unwrap();
        return;
    }
    assert_eq!(present, list(), "run HADAL_WRITE_DOCS=1 cargo test -p hadal-onnx --test documentation");
}
