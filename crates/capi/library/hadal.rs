//! The library as the tests link it: cargo builds examples before tests run, but a C library only when asked.

#[path = "../src/lib.rs"]
mod library;
