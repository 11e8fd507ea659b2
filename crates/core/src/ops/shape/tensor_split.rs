//! `tensor_split`: an axis cut into nearly equal pieces, or at given places.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// `sections` pieces along `axis`; the first ones are one longer where the axis cannot be divided. Views.
    pub fn tensor_split(&self, sections: usize, axis: isize) -> Result<Vec<Tensor>> {
        let size = self.shape()[self.shape().axis(axis, "tensor_split")?];
        if sections == 0 {
            return Err(Error::op("tensor_split", "needs at least 1 piece, got 0"));
        }
        let sizes = (0..sections).map(|i| size / sections + (i < size % sections) as usize);
        self.try_split_sizes(&sizes.collect::<Vec<_>>(), axis)
    }

    /// Pieces along `axis` that begin at 0 and at each of the places; places beyond the end begin empty pieces. Views.
    pub fn tensor_split_at(&self, places: &[usize], axis: isize) -> Result<Vec<Tensor>> {
        let at = self.shape().axis(axis, "tensor_split")? as isize;
        let size = self.size(at);
        let ends = places.iter().map(|&p| p.min(size)).chain([size]);
        let starts = std::iter::once(0).chain(places.iter().map(|&p| p.min(size)));
        starts.zip(ends).map(|(start, end)| self.try_narrow(at, start, end.saturating_sub(start))).collect()
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("tensor_split", |a, x| match a.get("sections").and_then(|v| v.as_i64()) {
        Some(sections) => x[0].tensor_split(sections as usize, a.integer("dim")),
        None => x[0].tensor_split_at(&a.sizes("sections"), a.integer("dim")),
    })
}
