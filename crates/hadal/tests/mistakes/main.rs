//! Mistakes people make in programs, and exactly what they are told.
//!
//! Each mistake is a line of a table: what somebody did, the code, and the whole message. A panic must name the line
//! in this folder that made the mistake, however deep in the library it was found.

mod data;
mod files;
mod gradients;
mod layers;
mod losses;
mod sequences;
mod training;

use hadal::prelude::*;
use hadal::warnings;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, set_hook, take_hook};
use std::path::{Path, PathBuf};
use std::sync::Once;

/// What was done, the code that does it, and the message: of an error or of a panic.
type Mistake = (&'static str, fn() -> Result<()>, &'static str);

/// What was done, the code that does it, and the warning.
type Warned = (&'static str, fn() -> Result<()>, &'static str);

thread_local! {
    /// While a mistake runs, the place of its panic: file and line.
    static PLACE: RefCell<Option<Option<(String, u32)>>> = const { RefCell::new(None) };
}

/// For code whose value does not matter.
fn done<T>(_: T) -> Result<()> {
    Ok(())
}

fn ones(shape: &[usize]) -> Tensor {
    Tensor::ones(shape)
}

/// Labels of a batch.
fn labels(values: &[i64]) -> Tensor {
    Tensor::from_slice(values)
}

/// Compares messages that were gathered by hand: what was done, what was said, what should be said.
#[track_caller]
fn compare(said: &[(&str, String, &str)]) {
    let wrong: Vec<String> = said
        .iter()
        .filter(|(_, message, expected)| message != expected)
        .map(|(what, message, expected)| format!("{what}\n  got      {message}\n  expected {expected}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Runs the table; all lines that say something else are listed together.
#[track_caller]
fn check(mistakes: &[Mistake]) {
    let table = Location::caller();
    let wrong: Vec<String> = mistakes
        .iter()
        .filter_map(|&(what, code, expected)| {
            let (message, place) = run(code);
            let there = place.is_none_or(|(file, line)| file == table.file() && line > table.line());
            (message != expected || !there)
                .then(|| format!("{what}\n  got      {message}\n  expected {expected}\n  at this table: {there}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// As [`check`], for warnings: each code gives one, and no error.
#[track_caller]
fn check_warnings(mistakes: &[Warned]) {
    for &(what, code, expected) in mistakes {
        let (result, messages) = warnings(code);
        assert!(result.is_ok(), "{what}: {result:?}");
        assert_eq!(messages, [expected], "{what}");
    }
}

/// The message of the error or panic, and where it panicked.
fn run(code: fn() -> Result<()>) -> (String, Option<(String, u32)>) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |panic| {
            let expected = PLACE.with_borrow_mut(|place| match place {
                Some(place) => {
                    *place = panic.location().map(|l| (l.file().to_owned(), l.line()));
                    true
                }
                None => false,
            });
            if !expected {
                usual(panic);
            }
        }));
    });
    PLACE.set(Some(None));
    let outcome = catch_unwind(AssertUnwindSafe(code));
    let place = PLACE.take().flatten();
    let message = match outcome {
        Ok(Ok(())) => "(nothing)".to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(panic) => match panic.downcast::<String>() {
            Ok(text) => *text,
            Err(panic) => (*panic.downcast::<&str>().expect("panics have texts")).to_owned(),
        },
    };
    (message, place)
}

/// A folder for the files of one test, deleted at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("hadal-mistakes-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The error's text, with the folder's path taken out of it.
#[track_caller]
fn text_in<T>(folder: &Path, result: Result<T>) -> String {
    let error = result.err().expect("an error is expected");
    error.to_string().replace(&format!("{}{}", folder.display(), std::path::MAIN_SEPARATOR), "")
}
