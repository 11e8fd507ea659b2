//! How what clients send becomes what a model takes: the preprocessing that is stored with it.

use crate::data::Data;
use crate::datatype::Datatype;
use crate::servable::{Form, Port};
use hadal::data::csv::{Column, Table};
use hadal::data::image::{self, Channels};
use hadal::data::preprocessing::Preprocessing;
use hadal::data::tabular::Encoding;
use hadal::data::transforms::Pipeline;
use hadal::{DType, Error, Result, Tensor};

/// Pixels that an image in a request may have: a large photograph, but not what a hundred bytes of PNG can announce.
const MOST_PIXELS: usize = 32 << 20;

/// Pixels that all images of a request may have: a second or two of work.
const MOST_PIXELS_TOGETHER: usize = 128 << 20;

/// The way from a request's inputs to a model's one input.
pub struct Preparation {
    preprocessing: Preprocessing,
    /// What clients send.
    ports: Vec<Port>,
    images: Option<Images>,
    dtype: DType,
}

/// How image files are read.
struct Images {
    channels: Channels,
    pipeline: Pipeline,
    /// The model takes `[samples, height, width, channels]`.
    channels_last: bool,
}

impl Preparation {
    /// For a model whose one input is `own`, with the samples on its first axis.
    ///
    /// # Errors
    /// When the preprocessing gives something else than the model takes.
    pub fn new(preprocessing: Preprocessing, own: &Port) -> Result<Preparation> {
        let form = &own.forms[0];
        let wrong = || {
            let shape = preprocessing.shape();
            let message = format!("the preprocessing gives {shape:?}, but the input {:?} is {form}", own.name);
            Error::invalid(message)
        };
        let (Some((&samples, sample)), Some(dtype)) = (form.shape.split_first(), form.datatype.dtype()) else {
            return Err(wrong());
        };
        let takes = |shape: &[usize]| {
            let fits = |(wanted, &size): (&Option<usize>, &usize)| wanted.is_none_or(|wanted| wanted == size);
            sample.len() == shape.len() && sample.iter().zip(shape).all(fits)
        };
        let shape = preprocessing.shape();
        let channels_last = !takes(&shape);
        let is_image = matches!(preprocessing, Preprocessing::Image { .. });
        if channels_last && !(is_image && takes(&[shape[1], shape[2], shape[0]])) {
            return Err(wrong());
        }
        let images = match is_image {
            true => {
                let (channels, pipeline) = preprocessing.image()?;
                Some(Images { channels, pipeline, channels_last })
            }
            false => None,
        };
        let ports = match &preprocessing {
            Preprocessing::Image { .. } => {
                let sizes = shape.iter().map(|&n| Some(n));
                let pixels = Form { datatype: Datatype::Uint8, shape: [samples].into_iter().chain(sizes).collect() };
                let files = Form { datatype: Datatype::Bytes, shape: vec![samples] };
                vec![Port { name: own.name.clone(), forms: vec![form.clone(), pixels, files] }]
            }
            Preprocessing::Array { .. } => vec![own.clone()],
            Preprocessing::Table { encoder, .. } => encoder.columns.iter().map(|c| column(c, samples)).collect(),
        };
        if !matches!(preprocessing, Preprocessing::Array { .. }) && !dtype.is_float() {
            return Err(wrong());
        }
        Ok(Preparation { preprocessing, ports, images, dtype })
    }

    /// The inputs that clients send.
    pub fn ports(&self) -> &[Port] {
        &self.ports
    }

    /// Whether the bytes of one image file are a request.
    pub fn takes_images(&self) -> bool {
        self.images.is_some() && self.ports[0].forms[0].shape[0].is_none_or(|samples| samples == 1)
    }

    /// What the model takes, for inputs that have forms of [`ports`](Preparation::ports).
    ///
    /// # Errors
    /// When a file is no image, or columns have different lengths.
    pub fn prepare(&self, mut inputs: Vec<Data>) -> Result<Tensor> {
        if let Preprocessing::Table { encoder, .. } = &self.preprocessing {
            return encoder.features(&table(&self.ports, inputs)?)?.try_to_dtype(self.dtype);
        }
        let (Some(input), true) = (inputs.pop(), inputs.is_empty()) else {
            return Err(Error::invalid("the model takes one input"));
        };
        match (input, &self.images) {
            (Data::Numbers(pixels), Some(images)) if pixels.dtype() == DType::U8 => {
                let image = |i| images.pipeline.apply(&pixels.select(0, i as isize), 0, 0, 0);
                images.batch((0..pixels.shape()[0]).map(image), self.dtype)
            }
            (Data::Numbers(numbers), _) => Ok(numbers),
            (Data::Bytes(files, _), Some(images)) => {
                let mut left = MOST_PIXELS_TOGETHER;
                let files = files.iter().enumerate();
                images.batch(files.map(|(number, file)| images.read(number, file, &mut left)), self.dtype)
            }
            (Data::Bytes(..), None) => Err(Error::invalid("the model takes numbers, not BYTES")),
        }
    }
}

impl Images {
    /// A PNG or JPEG file as the model was trained on; its pixels are taken from those that are left.
    fn read(&self, number: usize, file: &[u8], left: &mut usize) -> Result<Tensor> {
        let read = image::decode(file, self.channels, MOST_PIXELS.min(*left));
        let prepared = read.and_then(|image| {
            *left -= image.width * image.height;
            self.pipeline.apply(&image.tensor(), 0, 0, 0)
        });
        prepared.map_err(|e| {
            Error::invalid(format!(
                "image {number}: {e}; send the bytes of a PNG or JPEG file, as binary data or as the whole body"
            ))
        })
    }

    /// Prepared images `[channels, height, width]` as one batch.
    fn batch(&self, images: impl Iterator<Item = Result<Tensor>>, dtype: DType) -> Result<Tensor> {
        let batch = Tensor::stack(&images.collect::<Result<Vec<_>>>()?, 0);
        let batch = if self.channels_last { batch.permute([0, 2, 3, 1]) } else { batch };
        batch.try_to_dtype(dtype)
    }
}

/// A column of a table as an input: one element for each row.
fn column((name, encoding): &(String, Encoding), rows: Option<usize>) -> Port {
    let form = |datatype| Form { datatype, shape: vec![rows] };
    let numbers = [Datatype::Fp64, Datatype::Fp32, Datatype::Int64, Datatype::Int32];
    let forms = match encoding {
        Encoding::Number { .. } => numbers.map(form).to_vec(),
        Encoding::Category { .. } => vec![form(Datatype::Bytes)],
    };
    Port { name: name.clone(), forms }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn preparation(shape: &[Option<usize>], datatype: Datatype) -> Result<Preparation> {
        let preprocessing =
            Preprocessing::Image { channels: 3, height: 2, width: 4, mean: vec![0.0, 0.5, 0.0], std: vec![1.0; 3] };
        let own = Port { name: "x".into(), forms: vec![Form { datatype, shape: shape.to_vec() }] };
        Preparation::new(preprocessing, &own)
    }

    #[test]
    fn images_in_the_layout_of_the_model() {
        let pixels: Vec<u8> = (0..24).map(|i| i * 10).collect();
        let sent = || vec![Data::Numbers(Tensor::from_vec(pixels.clone(), [1, 3, 2, 4]))];
        let first = preparation(&[None, Some(3), Some(2), Some(4)], Datatype::Fp32).unwrap();
        let x = first.prepare(sent()).unwrap();
        assert_eq!(&x.shape()[..], [1, 3, 2, 4]);
        // Green, the first pixel: 80 / 255 - 0.5.
        assert!((x.to_vec::<f32>()[8] - (80.0 / 255.0 - 0.5)).abs() < 1e-7);
        let last = preparation(&[None, None, None, Some(3)], Datatype::Fp16).unwrap();
        assert_eq!(last.ports()[0].forms[1].shape, [None, Some(3), Some(2), Some(4)]);
        let y = last.prepare(sent()).unwrap();
        assert_eq!((y.dtype(), &y.shape()[..]), (DType::F16, &[1, 2, 4, 3][..]));
        assert_eq!(y.to_vec::<hadal::half::f16>(), x.permute([0, 2, 3, 1]).to_dtype(DType::F16).to_vec());
    }

    #[test]
    fn pixels_are_taken_from_those_that_are_left() {
        let preparation = preparation(&[None, Some(3), Some(2), Some(4)], Datatype::Fp32).unwrap();
        let images = preparation.images.as_ref().unwrap();
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, 9, 10);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.write_header().unwrap().write_image_data(&[7; 90]).unwrap();
        let mut left = 170;
        assert!(images.read(0, &file, &mut left).is_ok() && left == 80);
        let error = images.read(1, &file, &mut left).unwrap_err().to_string();
        assert!(error.contains("image 1: ") && error.contains("9 × 10 pixels; the limit is 80 pixels"), "{error}");
    }

    #[test]
    fn what_does_not_fit_the_model() {
        let error = preparation(&[None, Some(784)], Datatype::Fp32).err().unwrap().to_string();
        assert_eq!(error, "the preprocessing gives [3, 2, 4], but the input \"x\" is FP32 of shape [-1, 784]");
        assert!(preparation(&[None, Some(3), Some(2), Some(4)], Datatype::Int64).is_err());
        assert!(preparation(&[], Datatype::Fp32).is_err());
        // A model of four samples at a time takes no single file.
        let four = preparation(&[Some(4), Some(3), Some(2), Some(4)], Datatype::Fp32).unwrap();
        assert!(!four.takes_images());
        assert_eq!(four.ports()[0].forms[2].shape, [Some(4)]);
    }
}
