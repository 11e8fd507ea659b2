//! What passes have made of constants, for the graphs of other shapes: weights are packed once, whatever the batch sizes.

use crate::tensor::{Buffer, Element, Layout, Tensor};
use std::collections::HashMap;

/// Tensors that depend on constants alone, by what was done to which constants.
#[derive(Default)]
pub struct Memo {
    made: HashMap<Vec<u8>, Made>,
    /// How constants of the graph at hand came from others, by where their bytes are.
    origins: HashMap<usize, (Vec<u8>, Vec<Tensor>)>,
    /// Whether a weight without its elements was to be packed that has not been yet.
    wanted: bool,
}

/// The largest constant, in bytes, that is told from others by its elements, as it may be made anew for each graph (a bias
/// of a few thousand channels); larger ones are by where they are.
const SMALL: usize = 1 << 14;

/// What was made, and the constants that it was made of: while they are kept, no others can lie where they are.
struct Made {
    tensors: Vec<Tensor>,
    _sources: Vec<Tensor>,
}

impl Memo {
    /// Begins with another graph.
    pub(super) fn begin(&mut self) {
        self.origins.clear();
    }

    /// What `make` gives for these constants, made at most once. `what` says all else that it depends on.
    pub fn of<E>(
        &mut self,
        what: &str,
        sources: &[Option<Tensor>],
        make: impl FnOnce() -> Result<Vec<Tensor>, E>,
    ) -> Result<Vec<Tensor>, E> {
        let (key, sources) = self.key(what, sources);
        if let Some(made) = self.made.get(&key) {
            return Ok(made.tensors.clone());
        }
        let tensors = make()?;
        self.made.insert(key, Made { tensors: tensors.clone(), _sources: sources });
        Ok(tensors)
    }

    /// The constants of an op whose weight, its second input, stands in another order: `len` elements that `pack` makes of
    /// the weight's, at most once, and the constants behind it. None if one of them is not known, or if the weight stands
    /// in without its elements and has not been packed yet.
    pub fn packed<T: Element>(
        &mut self,
        what: &str,
        given: &[Option<Tensor>],
        len: usize,
        pack: impl FnOnce(&[T], &mut [T]),
    ) -> Option<Vec<Tensor>> {
        let others = given[2..].iter().cloned().collect::<Option<Vec<_>>>()?;
        let weight = given[1].as_ref()?;
        let mut wanted = false;
        let packed = self.of(what, &given[1..2], || {
            if weight.is_traced() {
                wanted = true;
                return Err(());
            }
            let mut packed = Buffer::recycled(len * size_of::<T>());
            pack(weight.contiguous().as_slice::<T>().ok_or(())?, packed.slice_mut());
            Ok(vec![Tensor::of_buffer(packed, Layout::contiguous(len), T::DTYPE)])
        });
        self.wanted |= wanted;
        Some(packed.ok()?.into_iter().chain(others).collect())
    }

    /// Whether, since this was asked last, a weight's elements were wanted that it does not have.
    pub(super) fn wants_elements(&mut self) -> bool {
        std::mem::take(&mut self.wanted)
    }

    /// Notes that these tensors were made of constants, and are not kept: what is made of them is known by what they were.
    pub(super) fn came(&mut self, tensors: &[Tensor], what: &str, sources: &[Option<Tensor>]) {
        let (key, sources) = self.key(what, sources);
        for (i, tensor) in tensors.iter().enumerate() {
            self.origins.insert(place(tensor), ([&key[..], &i.to_ne_bytes()].concat(), sources.clone()));
        }
    }

    fn key(&self, what: &str, sources: &[Option<Tensor>]) -> (Vec<u8>, Vec<Tensor>) {
        let (mut key, mut roots) = (what.as_bytes().to_vec(), Vec::new());
        for source in sources {
            let Some(tensor) = source else {
                key.extend(b", none");
                continue;
            };
            key.extend(format!(", {} {:?} ", tensor.dtype(), tensor.layout()).bytes());
            let buffer = &tensor.0.data.buffer;
            match self.origins.get(&place(tensor)) {
                Some((origin, sources)) => {
                    roots.extend(sources.iter().cloned());
                    key.extend(origin);
                }
                None if buffer.len() <= SMALL => key.extend(buffer.bytes()),
                None => {
                    roots.push(tensor.clone());
                    key.extend(place(tensor).to_ne_bytes());
                }
            }
        }
        (key, roots)
    }
}

/// Where a tensor's bytes are.
fn place(tensor: &Tensor) -> usize {
    std::sync::Arc::as_ptr(&tensor.0.data.buffer).addr()
}
