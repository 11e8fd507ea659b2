//! Models that `hadal train` wrote, as something to serve.

use crate::data::Data;
use crate::datatype::Datatype;
use crate::options::Rounding;
use crate::preparation::Preparation;
use crate::servable::{Form, Port, Servable, Signature};
use crate::slices;
use hadal::compile::Graphs;
use hadal::{Error, Result, Tensor, Trained, attempt, no_grad};
use std::path::Path;

/// A trained model with its signature.
pub struct TrainedModel {
    trained: Trained,
    graphs: Graphs,
    preparation: Preparation,
    signature: Signature,
}

impl TrainedModel {
    /// Reads a model file and runs the model once on zeros, so that what is served is known to work.
    ///
    /// # Errors
    /// When the file cannot be read or the model not be run.
    pub fn read(path: &Path, rounding: Rounding) -> Result<TrainedModel> {
        let trained = Trained::read_whole(path)?;
        let preprocessing = trained.preprocessing.clone();
        let shape = [None].into_iter().chain(preprocessing.shape().into_iter().map(Some)).collect();
        let own = Form { datatype: Datatype::of(trained.model.input_dtype()), shape };
        let own = Port { name: "input".into(), forms: vec![own] };
        let preparation = Preparation::new(preprocessing, &own).map_err(|e| Error::file(path, e))?;
        let graphs = trained.graphs(rounding == Rounding::Inference);
        let classes = !trained.labels.is_empty();
        let signature = Signature {
            platform: "hadal_safetensors".into(),
            inputs: preparation.ports().to_vec(),
            outputs: Vec::new(),
            batched: true,
            takes_images: preparation.takes_images(),
            labels: trained.labels.clone(),
            probabilities: classes.then_some(0),
        };
        let mut served = TrainedModel { trained, graphs, preparation, signature };
        let output = served.probe().map_err(|e| Error::file(path, format!("the model does not run: {e}")))?;
        let labels = served.trained.labels.len();
        if classes && output.shape().last() != Some(&labels) {
            let message = format!("has {labels} labels, but its output has shape {}", output.shape());
            return Err(Error::file(path, message));
        }
        let shape: Vec<_> = [None].into_iter().chain(output.shape()[1..].iter().map(|&n| Some(n))).collect();
        let form = Form { datatype: Datatype::of(output.dtype()), shape };
        let port = |name: &str| Port { name: name.into(), forms: vec![form.clone()] };
        served.signature.outputs =
            if classes { vec![port("probabilities"), port("logits")] } else { vec![port("prediction")] };
        Ok(served)
    }

    /// The first output for a sample of zeros.
    fn probe(&self) -> Result<Tensor> {
        let shape: Vec<usize> = [1].into_iter().chain(self.trained.preprocessing.shape()).collect();
        Ok(self.infer(&[Tensor::zeros_with(shape, self.trained.model.input_dtype())])?.swap_remove(0))
    }
}

impl Servable for TrainedModel {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn prepare(&self, inputs: Vec<Data>) -> Result<Vec<Tensor>> {
        Ok(vec![self.preparation.prepare(inputs)?])
    }

    fn infer(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let function = |x: &[Tensor]| {
            attempt(|| {
                let output = self.trained.model.forward(&x[0]);
                let prediction = self.trained.prediction(&output);
                if self.signature.probabilities.is_some() { vec![prediction, output] } else { vec![prediction] }
            })
        };
        let run = |inputs: &[Tensor]| no_grad(|| self.graphs.call(&[&inputs[0]], &function));
        slices::run(inputs, &slices::few(inputs[0].shape()[0]), run)
    }
}
