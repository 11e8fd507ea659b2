//! Models that `hadal train` wrote, as something to serve.

use crate::data::{Data, Strings};
use crate::datatype::Datatype;
use crate::servable::{Form, Port, Servable, Signature};
use hadal::data::csv::{Column, Table};
use hadal::data::image::{self, Channels};
use hadal::data::preprocessing::Preprocessing;
use hadal::data::tabular::Encoding;
use hadal::data::transforms::Pipeline;
use hadal::{DType, Error, Result, Tensor, Trained};
use std::path::Path;

/// Pixels that an image in a request may have: a large photograph, but not what a hundred bytes of PNG can announce.
const MOST_PIXELS: usize = 32 << 20;

/// A trained model with its signature.
pub struct TrainedModel {
    trained: Trained,
    signature: Signature,
    /// For images: how files are read and prepared.
    images: Option<(Channels, Pipeline)>,
}

impl TrainedModel {
    /// Reads a model file and runs the model once on zeros, so that what is served is known to work.
    ///
    /// # Errors
    /// When the file cannot be read or the model not be run.
    pub fn read(path: &Path) -> Result<TrainedModel> {
        let trained = Trained::read_whole(path)?;
        let output = probe(&trained).map_err(|e| Error::file(path, format!("the model does not run: {e}")))?;
        if !trained.labels.is_empty() && output.shape().last() != Some(&trained.labels.len()) {
            let (labels, shape) = (trained.labels.len(), output.shape());
            return Err(Error::file(path, format!("has {labels} labels, but its output has shape {shape}")));
        }
        let images = match trained.preprocessing {
            Preprocessing::Image { .. } => Some(trained.preprocessing.image().map_err(|e| Error::file(path, e))?),
            _ => None,
        };
        Ok(TrainedModel { signature: signature(&trained, &output), trained, images })
    }
}

/// The output for a sample of zeros.
fn probe(trained: &Trained) -> Result<Tensor> {
    let shape: Vec<usize> = [1].into_iter().chain(trained.preprocessing.shape()).collect();
    trained.forward(&Tensor::zeros_with(shape, trained.model.input_dtype()))
}

fn signature(trained: &Trained, output: &Tensor) -> Signature {
    let sample = || [None].into_iter().chain(trained.preprocessing.shape().into_iter().map(Some)).collect::<Vec<_>>();
    let own = Form { datatype: Datatype::of(trained.model.input_dtype()), shape: sample() };
    let inputs = match &trained.preprocessing {
        Preprocessing::Image { .. } => {
            let pixels = Form { datatype: Datatype::Uint8, shape: sample() };
            let files = Form { datatype: Datatype::Bytes, shape: vec![None] };
            vec![Port { name: "input".into(), forms: vec![own, pixels, files] }]
        }
        Preprocessing::Array { .. } => vec![Port { name: "input".into(), forms: vec![own] }],
        Preprocessing::Table { encoder, .. } => encoder.columns.iter().map(column).collect(),
    };
    let form = |datatype| Form {
        datatype,
        shape: [None].into_iter().chain(output.shape()[1..].iter().map(|&n| Some(n))).collect(),
    };
    let port = |name: &str| Port { name: name.into(), forms: vec![form(Datatype::of(output.dtype()))] };
    let classes = !trained.labels.is_empty();
    Signature {
        platform: "hadal_safetensors".into(),
        inputs,
        outputs: if classes { vec![port("probabilities"), port("logits")] } else { vec![port("prediction")] },
        batched: true,
        takes_images: matches!(trained.preprocessing, Preprocessing::Image { .. }),
        labels: trained.labels.clone(),
        probabilities: classes.then_some(0),
    }
}

/// A column of a table as an input: one element for each row.
fn column((name, encoding): &(String, Encoding)) -> Port {
    let form = |datatype| Form { datatype, shape: vec![None] };
    let numbers = [Datatype::Fp64, Datatype::Fp32, Datatype::Int64, Datatype::Int32];
    let forms = match encoding {
        Encoding::Number { .. } => numbers.map(form).to_vec(),
        Encoding::Category { .. } => vec![form(Datatype::Bytes)],
    };
    Port { name: name.clone(), forms }
}

impl Servable for TrainedModel {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn prepare(&self, mut inputs: Vec<Data>) -> Result<Vec<Tensor>> {
        if let Preprocessing::Table { encoder, .. } = &self.trained.preprocessing {
            return Ok(vec![encoder.features(&table(&self.signature.inputs, inputs)?)?]);
        }
        let (Some(input), true) = (inputs.pop(), inputs.is_empty()) else {
            return Err(Error::invalid("the model takes one input"));
        };
        Ok(vec![match (input, &self.images) {
            (Data::Numbers(pixels), Some((_, pipeline))) if pixels.dtype() == DType::U8 => {
                let images = (0..pixels.shape()[0]).map(|i| pipeline.apply(&pixels.select(0, i as isize), 0, 0, 0));
                Tensor::stack(&images.collect::<Result<Vec<_>>>()?, 0)
            }
            (Data::Numbers(numbers), _) => numbers,
            (Data::Bytes(files, _), Some((channels, pipeline))) => decode(&files, *channels, pipeline)?,
            (Data::Bytes(..), None) => return Err(Error::invalid("the model takes numbers, not BYTES")),
        }])
    }

    fn infer(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let output = self.trained.forward(&inputs[0])?;
        let prediction = hadal::no_grad(|| self.trained.prediction(&output));
        Ok(if self.signature.probabilities.is_some() { vec![prediction, output] } else { vec![prediction] })
    }
}

/// PNG and JPEG files as a batch.
fn decode(files: &Strings, channels: Channels, pipeline: &Pipeline) -> Result<Tensor> {
    let image = |(number, file): (usize, &[u8])| {
        image::decode(file, channels, MOST_PIXELS).and_then(|image| pipeline.apply(&image.tensor(), 0, 0, 0)).map_err(
            |e| {
                Error::invalid(format!(
                    "image {number}: {e}; send the bytes of a PNG or JPEG file, as binary data or as the whole body"
                ))
            },
        )
    };
    Ok(Tensor::stack(&files.iter().enumerate().map(image).collect::<Result<Vec<_>>>()?, 0))
}

/// The columns of a request as a table.
fn table(ports: &[Port], inputs: Vec<Data>) -> Result<Table> {
    let rows = inputs.first().map_or(0, |data| data.shape()[0]);
    let columns = inputs.into_iter().zip(ports).map(|(data, port)| match data {
        other if other.shape()[0] != rows => {
            let (name, found) = (&port.name, other.shape()[0]);
            Err(Error::invalid(format!("input {name:?} has {found} rows, but {:?} has {rows}", ports[0].name)))
        }
        Data::Numbers(tensor) => Ok(Column::Numbers(tensor.to_f64_vec())),
        Data::Bytes(strings, _) => {
            let text: Vec<String> = strings.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect();
            let mut levels: Vec<String> = text.iter().filter(|text| !text.is_empty()).cloned().collect();
            levels.sort();
            levels.dedup();
            // An empty text is a missing value.
            let codes = text.iter().map(|text| levels.binary_search(text).ok().map(|code| code as u32)).collect();
            Ok(Column::Categories { levels, codes })
        }
    });
    let columns = columns.collect::<Result<_>>()?;
    let names = ports.iter().map(|port| port.name.clone()).collect();
    Ok(Table { names, columns, rows, lines: (1..=rows).collect() })
}
