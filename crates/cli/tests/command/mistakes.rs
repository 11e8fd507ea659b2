//! Mistakes on the command line, in recipes and in data, and exactly what is said about them.
//!
//! Some messages end in the system's own words, which are these on Unix.
#![cfg(unix)]

mod arguments;
mod arrays;
mod models;
mod recipes;
mod tables;

use super::{Folder, words};

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
