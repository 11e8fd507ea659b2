//! What a compiled function may return.

use crate::{Result, Tensor};

/// What a compiled function may return: a tensor, several of them, nothing, or a `Result` of these.
pub trait Results: Sized {
    /// As a list.
    fn into_tensors(self) -> Result<Vec<Tensor>>;
    /// From a list of as many, or the error of the run.
    #[track_caller]
    fn from_tensors(tensors: Result<Vec<Tensor>>) -> Self;
}

/// The list itself; a mistake panics at the caller's line.
#[track_caller]
fn given(tensors: Result<Vec<Tensor>>) -> Vec<Tensor> {
    match tensors {
        Ok(tensors) => tensors,
        Err(error) => error.raise(),
    }
}

impl Results for Vec<Tensor> {
    fn into_tensors(self) -> Result<Vec<Tensor>> {
        Ok(self)
    }
    fn from_tensors(tensors: Result<Vec<Tensor>>) -> Self {
        given(tensors)
    }
}

impl Results for Tensor {
    fn into_tensors(self) -> Result<Vec<Tensor>> {
        Ok(vec![self])
    }
    fn from_tensors(tensors: Result<Vec<Tensor>>) -> Self {
        given(tensors).swap_remove(0)
    }
}

impl Results for () {
    fn into_tensors(self) -> Result<Vec<Tensor>> {
        Ok(Vec::new())
    }
    fn from_tensors(tensors: Result<Vec<Tensor>>) {
        given(tensors);
    }
}

impl<const M: usize> Results for [Tensor; M] {
    fn into_tensors(self) -> Result<Vec<Tensor>> {
        Ok(self.into())
    }
    fn from_tensors(tensors: Result<Vec<Tensor>>) -> Self {
        given(tensors).try_into().unwrap_or_else(|_| unreachable!("as many as the function returned"))
    }
}

impl Results for (Tensor, Tensor) {
    fn into_tensors(self) -> Result<Vec<Tensor>> {
        Ok(vec![self.0, self.1])
    }
    fn from_tensors(tensors: Result<Vec<Tensor>>) -> Self {
        <[Tensor; 2]>::from_tensors(tensors).into()
    }
}

impl Results for (Tensor, Tensor, Tensor) {
    fn into_tensors(self) -> Result<Vec<Tensor>> {
        Ok(vec![self.0, self.1, self.2])
    }
    fn from_tensors(tensors: Result<Vec<Tensor>>) -> Self {
        <[Tensor; 3]>::from_tensors(tensors).into()
    }
}

impl<R: Results> Results for Result<R> {
    fn into_tensors(self) -> Result<Vec<Tensor>> {
        self?.into_tensors()
    }
    fn from_tensors(tensors: Result<Vec<Tensor>>) -> Self {
        tensors.map(|tensors| R::from_tensors(Ok(tensors)))
    }
}
