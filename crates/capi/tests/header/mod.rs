//! The header against the Rust code: the same functions, types, numbers and layouts.

use crate::programs::{Folder, compiler};
use std::collections::BTreeMap;
use std::mem::{offset_of, size_of};

// The types that the library is compiled from.
#[allow(dead_code)]
#[path = "../../src/types.rs"]
mod types;

const HEADER: &str = include_str!("../../include/hadal.h");
const SOURCE: &str = include_str!("../../src/lib.rs");

/// The functions of the Rust code by name, written as C declares them.
fn exported() -> BTreeMap<String, String> {
    let functions = SOURCE.split("#[unsafe(no_mangle)]").skip(1).map(|rest| {
        let (_, rest) = rest.split_once("extern \"C\" fn ").unwrap();
        let (signature, _) = rest.split_once('{').unwrap();
        let (name, rest) = signature.split_once('(').unwrap();
        let (arguments, result) = rest.rsplit_once(')').unwrap();
        let result = result.trim().strip_prefix("->").map_or("void", |result| c_type(result.trim()));
        let arguments = arguments.split(',').map(str::trim).filter(|argument| !argument.is_empty());
        let arguments: Vec<&str> = arguments.map(|argument| c_type(argument.split_once(": ").unwrap().1)).collect();
        let arguments = if arguments.is_empty() { "void".to_owned() } else { arguments.join(", ") };
        (name.to_owned(), format!("{result} {name}({arguments});"))
    });
    functions.collect()
}

/// A type of the Rust code in C.
fn c_type(rust: &str) -> &'static str {
    match rust {
        "Status" => "hadal_status",
        "usize" => "size_t",
        "i32" => "int32_t",
        "*const c_char" => "const char *",
        "*const c_void" => "const void *",
        "*mut c_void" => "void *",
        "*const Model" => "const hadal_model *",
        "*mut Model" => "hadal_model *",
        "*mut *mut Model" => "hadal_model **",
        "*const Outputs" => "const hadal_outputs *",
        "*mut Outputs" => "hadal_outputs *",
        "*mut *mut Outputs" => "hadal_outputs **",
        "*mut CPort" => "hadal_port *",
        "*const CTensor" => "const hadal_tensor *",
        "*mut CTensor" => "hadal_tensor *",
        other => panic!("{other} is not known in C"),
    }
}

/// The names of the functions that the header declares.
fn declared() -> Vec<String> {
    let code: String = HEADER.split("/*").map(|part| part.split_once("*/").map_or(part, |(_, code)| code)).collect();
    let calls = code.match_indices('(').map(|(end, _)| &code[..end]);
    let name = |before: &str| {
        let start = before.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_').map_or(0, |at| at + 1);
        before[start..].to_owned()
    };
    let mut names: Vec<String> = calls.map(name).filter(|name| name.starts_with("hadal_")).collect();
    names.sort();
    names
}

#[test]
fn header_and_code_have_the_same_functions() {
    let exported: Vec<String> = exported().into_keys().collect();
    assert_eq!(declared(), exported);
    assert_eq!(exported.len(), 19);
}

/// Two declarations of a function that differ, and a size that is not as claimed, do not compile.
#[test]
fn header_and_code_have_the_same_types() {
    let Some(compiler) = compiler() else { return };
    let folder = Folder::new("header");
    let mut claims = vec![
        ("sizeof(hadal_port)".to_owned(), size_of::<types::CPort>()),
        ("offsetof(hadal_port, name)".to_owned(), offset_of!(types::CPort, name)),
        ("offsetof(hadal_port, dtype)".to_owned(), offset_of!(types::CPort, dtype)),
        ("offsetof(hadal_port, rank)".to_owned(), offset_of!(types::CPort, rank)),
        ("offsetof(hadal_port, shape)".to_owned(), offset_of!(types::CPort, shape)),
        ("sizeof(hadal_tensor)".to_owned(), size_of::<types::CTensor>()),
        ("offsetof(hadal_tensor, data)".to_owned(), offset_of!(types::CTensor, data)),
        ("offsetof(hadal_tensor, bytes)".to_owned(), offset_of!(types::CTensor, bytes)),
        ("offsetof(hadal_tensor, dtype)".to_owned(), offset_of!(types::CTensor, dtype)),
        ("offsetof(hadal_tensor, rank)".to_owned(), offset_of!(types::CTensor, rank)),
        ("offsetof(hadal_tensor, shape)".to_owned(), offset_of!(types::CTensor, shape)),
    ];
    let numbers = [
        ("OK", types::OK),
        ("INVALID_ARGUMENT", types::INVALID_ARGUMENT),
        ("CANNOT_LOAD", types::CANNOT_LOAD),
        ("CANNOT_RUN", types::CANNOT_RUN),
        ("INTERNAL_ERROR", types::INTERNAL_ERROR),
        ("INFERENCE", types::INFERENCE),
        ("EXACT", types::EXACT),
    ];
    claims.extend(numbers.map(|(name, number)| (format!("HADAL_{name}"), number as usize)));
    for (number, element) in types::DTYPES {
        claims.push((format!("HADAL_{}", format!("{element:?}").to_uppercase()), number as usize));
    }
    let spelled = |name: &str| {
        let widths = [("_U", "_UINT"), ("_I", "_INT"), ("_F", "_FLOAT"), ("_BF", "_BFLOAT")];
        let wide = widths.into_iter().find_map(|(short, long)| {
            let digits = name.strip_prefix("HADAL")?.strip_prefix(short)?;
            digits.parse::<u32>().is_ok().then(|| format!("HADAL{long}{digits}"))
        });
        wide.unwrap_or(name.to_owned())
    };
    let mut text = "#include \"hadal.h\"\n#include \"hadal.h\"\n".to_owned();
    for (i, (what, value)) in claims.iter().enumerate() {
        text += &format!("typedef char claim{i}[({}) == {value} ? 1 : -1];\n", spelled(what));
    }
    exported().values().for_each(|declaration| text += &format!("{declaration}\n"));
    let accepts = |text: &str, name: &str, extra: &[&str]| {
        let output = compiler.compile(&folder, text, name, &[&["-c", "-o", "out.o"], extra].concat());
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (fine, errors) = accepts(&text, "header.c", &["-std=c99"]);
    assert!(fine, "{errors}");
    // The check can fail.
    for (from, to) in [("HADAL_EXACT) == 1", "HADAL_EXACT) == 2"), ("size_t hadal_threads", "int32_t hadal_threads")] {
        assert!(text.contains(from), "{from}");
        assert!(!accepts(&text.replace(from, to), "wrong.c", &["-std=c99"]).0, "{to}");
    }
    // C++ needs a compiler of its own, which some systems lack.
    let source = "#include \"hadal.h\"\nint main() { return hadal_version() == nullptr; }\n";
    let (fine, errors) = accepts(source, "header.cc", &["-x", "c++", "-std=c++11"]);
    assert!(fine || errors.contains("cc1plus"), "{errors}");
}
