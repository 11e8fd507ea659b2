//! What can be served: the seam between the server and the kinds of models.

use crate::data::Data;
use crate::datatype::Datatype;
use hadal::{Error, Result, Tensor};

/// A tensor that a model takes or gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// The forms it can have, the preferred one first; an output has one.
    pub forms: Vec<Form>,
}

/// The type and shape of a tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Form {
    /// The type of the elements.
    pub datatype: Datatype,
    /// The sizes of the axes, with `None` where any will do.
    pub shape: Vec<Option<usize>>,
}

impl Form {
    /// Whether a tensor of this type and shape has the form.
    pub fn fits(&self, datatype: Datatype, shape: &[usize]) -> bool {
        let fits = |(&size, wanted): (&usize, &Option<usize>)| wanted.is_none_or(|wanted| wanted == size);
        self.datatype == datatype && self.shape.len() == shape.len() && shape.iter().zip(&self.shape).all(fits)
    }

    /// The shape as the protocol writes it, with -1 where any size will do.
    pub fn dims(&self) -> Vec<i64> {
        self.shape.iter().map(|size| size.map_or(-1, |n| n as i64)).collect()
    }
}

impl std::fmt::Display for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of shape {:?}", self.datatype, self.dims())
    }
}

/// What a model takes and gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Signature {
    /// The kind of model, as the protocol's metadata calls it: `hadal_safetensors`.
    pub platform: String,
    /// The inputs, in the order in which [`Servable::prepare`] gets them.
    pub inputs: Vec<Port>,
    /// The outputs, in the order in which [`Servable::infer`] gives them.
    pub outputs: Vec<Port>,
    /// Whether axis 0 of every input and output is that of the samples, and a sample's result does not depend on its
    /// neighbours: then requests can share a batch.
    pub batched: bool,
    /// Whether its one input can be the bytes of image files.
    pub takes_images: bool,
    /// What the classes are called; empty where there are none.
    pub labels: Vec<String>,
    /// The output that holds a probability for each label.
    pub probabilities: Option<usize>,
}

/// A model that the server can run.
pub trait Servable: Send + Sync {
    /// What it takes and gives.
    fn signature(&self) -> &Signature;

    /// Makes what a client sent into what [`infer`](Servable::infer) takes: decodes images, encodes columns of tables.
    /// Every input is there, in the signature's order, and has one of its forms. Called for each request by itself, away
    /// from the thread that infers.
    ///
    /// # Errors
    /// What is wrong with the input, for the client.
    fn prepare(&self, inputs: Vec<Data>) -> Result<Vec<Tensor>> {
        numbers(inputs)
    }

    /// The outputs for prepared inputs, in the signature's order.
    ///
    /// # Errors
    /// What the model refuses.
    fn infer(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>>;
}

/// Tensors as they were sent.
pub(crate) fn numbers(inputs: Vec<Data>) -> Result<Vec<Tensor>> {
    let number = |data| match data {
        Data::Numbers(tensor) => Ok(tensor),
        Data::Bytes(..) => Err(Error::invalid("the model takes numbers, not BYTES")),
    };
    inputs.into_iter().map(number).collect()
}
