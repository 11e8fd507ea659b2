//! Hadal's procedural macros.
