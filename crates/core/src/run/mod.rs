//! How ops run kernels over tensors of any layout: tiles for elementwise work, rows for reductions,
//! matrices for products.

pub mod along;
pub mod bounds;
pub mod bytes;
pub mod copy;
pub mod dense;
pub mod division;
pub mod eigen;
pub mod function;
pub mod heads;
pub mod images;
pub mod lanes;
pub mod map;
pub mod matrix;
pub mod order;
pub mod real;
pub mod reduce;
pub mod resample;
pub mod rows;
pub mod rowwise;
pub mod scan;
pub mod special;
