//! A loaded model, spoken to in JSON and bytes.

use hadal::elements;
use hadal::onnx::ElementType;
use hadal::{Error, Execution, Port, Predictor, Result, Tensor};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// A loaded model.
pub struct Session(Predictor);

/// A tensor whose elements follow among the bytes of a request or an answer.
#[derive(Serialize, Deserialize, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The element type, as [`TYPES`] calls it.
    pub dtype: String,
    /// The sizes of the axes.
    pub shape: Vec<usize>,
    /// How many bytes its elements take.
    pub bytes: usize,
}

/// The names of the element types that JavaScript has arrays for, or the bits of.
pub const TYPES: [(&str, ElementType); 13] = [
    ("float32", ElementType::F32),
    ("float64", ElementType::F64),
    ("float16", ElementType::F16),
    ("bfloat16", ElementType::BF16),
    ("uint8", ElementType::U8),
    ("int8", ElementType::I8),
    ("uint16", ElementType::U16),
    ("int16", ElementType::I16),
    ("uint32", ElementType::U32),
    ("int32", ElementType::I32),
    ("uint64", ElementType::U64),
    ("int64", ElementType::I64),
    ("bool", ElementType::Bool),
];

fn name_of(element: ElementType) -> &'static str {
    TYPES.iter().find(|entry| entry.1 == element).map_or("unknown", |entry| entry.0)
}

impl Session {
    /// Reads the contents of a model file.
    ///
    /// # Errors
    /// As [`Predictor::from_bytes`].
    pub fn load(file: Vec<u8>, exact: bool) -> Result<Session> {
        let execution = if exact { Execution::Exact } else { Execution::Inference };
        Predictor::from_bytes(file, execution).map(Session)
    }

    /// What the model takes and gives, in JSON; sizes that may be any are -1.
    pub fn description(&self) -> String {
        let port = |port: &Port| {
            let sizes = port.shape.as_ref().map(|shape| shape.iter().map(|n| n.map_or(-1, |n| n as i64)));
            json!({ "name": port.name, "dtype": name_of(port.element), "shape": sizes.map(Iterator::collect::<Vec<_>>) })
        };
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "inputs": self.0.inputs().iter().map(port).collect::<Vec<_>>(),
            "outputs": self.0.outputs().iter().map(port).collect::<Vec<_>>(),
            "labels": self.0.labels(),
            "pixels": self.0.takes_pixels(),
        })
        .to_string()
    }

    /// The outputs for inputs in the model's order: a JSON list of [`Header`]s, and the bytes that they speak of. The
    /// answer has the same form.
    ///
    /// # Errors
    /// When the header is not such a list, the bytes are too few or too many, or the model refuses the inputs.
    pub fn run(&self, header: &[u8], mut elements: &[u8]) -> Result<(String, Vec<u8>)> {
        let headers: Vec<Header> =
            serde_json::from_slice(header).map_err(|e| Error::invalid(format!("the inputs are not described: {e}")))?;
        let mut inputs = Vec::with_capacity(headers.len());
        for Header { dtype, shape, bytes } in headers {
            let Some((own, rest)) = elements.split_at_checked(bytes) else {
                return Err(Error::invalid(format!(
                    "an input has {bytes} bytes, of which {} are there",
                    elements.len()
                )));
            };
            let names = TYPES.map(|entry| entry.0);
            let element = TYPES.iter().find(|entry| entry.0 == dtype).map(|entry| entry.1);
            let element = element.ok_or_else(|| Error::unknown("dtype", &dtype, &names))?;
            inputs.push(elements::from_bytes(element, own, &shape)?);
            elements = rest;
        }
        if !elements.is_empty() {
            return Err(Error::invalid(format!("{} bytes belong to no input", elements.len())));
        }
        let outputs = self.0.run(&inputs)?;
        let (mut headers, mut all) = (Vec::with_capacity(outputs.len()), Vec::new());
        for (port, output) in self.0.outputs().iter().zip(&outputs) {
            let (header, bytes) = written(port, output);
            headers.push(header);
            all.extend(bytes);
        }
        Ok((json!(headers).to_string(), all))
    }
}

/// An output as it travels.
fn written(port: &Port, output: &Tensor) -> (Header, Vec<u8>) {
    let bytes = elements::to_bytes(port.element, output);
    (Header { dtype: name_of(port.element).into(), shape: output.shape().to_vec(), bytes: bytes.len() }, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hadal::onnx::Export;
    use hadal::{DType, Meta};

    fn doubling() -> Vec<u8> {
        let export = Export::new([("x", Meta::new([2, 3], DType::F32))]).outputs(["twice"]).dynamic_batch();
        export.to_bytes(&|x| Ok(vec![x[0].try_add(&x[0])?])).unwrap()
    }

    #[test]
    fn a_model_is_described_and_run() {
        let session = Session::load(doubling(), false).unwrap();
        let described: serde_json::Value = serde_json::from_str(&session.description()).unwrap();
        assert_eq!(described["inputs"], json!([{ "name": "x", "dtype": "float32", "shape": [-1, 3] }]));
        assert_eq!(described["outputs"], json!([{ "name": "twice", "dtype": "float32", "shape": [-1, 3] }]));
        let numbers: Vec<u8> = [1.0f32, 2.5, -3.0].iter().flat_map(|x| x.to_ne_bytes()).collect();
        let (text, bytes) = session.run(br#"[{"dtype": "float32", "shape": [1, 3], "bytes": 12}]"#, &numbers).unwrap();
        assert_eq!(text, r#"[{"bytes":12,"dtype":"float32","shape":[1,3]}]"#);
        let found: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|&b| f32::from_ne_bytes(b)).collect();
        assert_eq!(found, [2.0, 5.0, -6.0]);
    }

    #[test]
    fn mistakes_are_errors() {
        let session = Session::load(doubling(), true).unwrap();
        for (header, bytes, words) in [
            ("nonsense", 12, "not described"),
            (r#"[{"dtype": "float32", "shape": [1, 3], "bytes": 16}]"#, 12, "of which 12 are there"),
            (r#"[{"dtype": "float32", "shape": [1, 3], "bytes": 12}]"#, 13, "1 bytes belong to no input"),
            (r#"[{"dtype": "float31", "shape": [1, 3], "bytes": 12}]"#, 12, "float32"),
            (r#"[{"dtype": "float32", "shape": [1, 4], "bytes": 12}]"#, 12, "takes 16 bytes, got 12"),
            (
                r#"[{"dtype": "int32", "shape": [1, 3], "bytes": 12}]"#,
                12,
                "input `x` is float [any, 3]; got int32 [1, 3]",
            ),
            ("[]", 0, "takes 1 inputs"),
        ] {
            let error = session.run(header.as_bytes(), &vec![0; bytes]).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        let error = Session::load(b"this is no model".to_vec(), false).err().unwrap().to_string();
        assert!(error.contains("is no ONNX model"), "{error}");
    }

    /// What JavaScript does, through the border's own functions.
    #[test]
    fn memory_comes_and_goes() {
        use crate::*;
        let given = |bytes: &[u8]| {
            let memory = hadal_allocate(bytes.len());
            // SAFETY: as many bytes have just been allocated.
            unsafe { memory.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
            (memory, bytes.len())
        };
        // SAFETY: the text is read before the next call.
        let text = || unsafe { std::slice::from_raw_parts(hadal_text(), hadal_text_length()) }.to_vec();
        let header = br#"[{"dtype": "float32", "shape": [1, 3], "bytes": 12}]"#;
        // SAFETY: all memory and sessions come from the functions.
        unsafe {
            let (memory, bytes) = given(b"nothing");
            assert!(hadal_load(memory, bytes, false).is_null());
            assert!(String::from_utf8(text()).unwrap().contains("ONNX"));
            let (memory, bytes) = given(&doubling());
            let session = hadal_load(memory, bytes, false);
            assert!(!session.is_null() && text().starts_with(b"{"));
            let (memory, bytes) = given(&[&header[..], &1f32.to_ne_bytes().repeat(3)].concat());
            assert!(hadal_run(session, memory, bytes, header.len()));
            let answer = std::slice::from_raw_parts(hadal_bytes(), hadal_bytes_length());
            assert_eq!(answer, 2f32.to_ne_bytes().repeat(3));
            let (memory, bytes) = given(header);
            assert!(!hadal_run(session, memory, bytes, header.len()));
            hadal_unload(session);
            hadal_free(hadal_allocate(5), 5);
        }
    }
}
