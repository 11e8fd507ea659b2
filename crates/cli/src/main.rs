//! The `hadal` command line.
fn main() {}
