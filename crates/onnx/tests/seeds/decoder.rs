//! Arbitrary bytes as the file that an ImageDecoder reads.

use hadal_core::Tensor;
use hadal_onnx::{ElementType, Model, Value};
use std::sync::LazyLock;

/// A field of bytes in the wire form of protocol buffers.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    assert!(bytes.len() < 128);
    [&[number << 3 | 2, bytes.len() as u8], bytes].concat()
}

/// One node, from `file` to `image`.
static MODEL: LazyLock<Model> = LazyLock::new(|| {
    let node = [field(1, b"file"), field(2, b"image"), field(4, b"ImageDecoder")].concat();
    let graph = [field(1, &node), field(11, &field(1, b"file")), field(12, &field(1, b"image"))].concat();
    // The version of the format, and of the operators.
    let model = [vec![1 << 3, 13], field(7, &graph), field(8, &[2 << 3, 20])].concat();
    Model::from_bytes(model).expect("the model is well formed")
});

/// Whether the file was understood: then there are pixels, of three channels.
pub fn check(bytes: &[u8]) -> bool {
    let file = Value::Tensor(Tensor::from(bytes.to_vec()), ElementType::U8);
    let outputs = MODEL.run(&[("file", file)]).expect("what is no image becomes an empty one");
    let image = outputs[0].tensor().expect("an image is a tensor");
    assert_eq!((image.rank(), image.shape()[2]), (3, 3));
    image.elements() > 0
}
