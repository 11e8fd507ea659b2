//! Hadal's numeric kernels: slices in, slices out. No tensor, no graph.
//!
//! All SIMD and nearly all `unsafe` of the project live in this crate.

pub mod threads;
