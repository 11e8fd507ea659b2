//! Hadal's numeric kernels: slices in, slices out. No tensor, no graph.
//!
//! All SIMD and nearly all `unsafe` of the project live in this crate. Every function gives the same bits for any
//! number of threads and on every instruction set: sums are cut by shape only, every output element has one owner, and the
//! order of every sum is part of its definition.

pub mod attention;
pub mod batch_norm;
pub mod ceiling;
pub mod conv;
pub mod copy;
pub mod cross_entropy;
mod formula;
pub mod fourier;
mod fused;
pub mod gemm;
pub mod math;
pub mod norm;
mod number;
pub mod pool;
pub mod quantized;
pub mod random;
pub mod recurrent;
pub mod reduce;
mod scratch;
pub mod simd;
pub mod softmax;
pub mod threads;
