//! What tests an op: its cases, compared with PyTorch's results and with numerical derivatives.
//!
//! Also for users: [`gradient_check`] holds any function's gradient against finite differences.

mod attributes;
mod cases;
mod fixture;
mod gradient;

pub use attributes::Attributes;
pub use cases::{Cases, Check, check_cases};
pub use fixture::{Fixture, FixtureCase, assert_close, difference};
pub use gradient::{gradient_check, gradient_check_twice};
