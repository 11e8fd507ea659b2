//! Layers that do not fit each other or their input.

use super::{check, check_warnings, done, labels, ones};
use hadal::prelude::*;

/// The CNN of the first founding program: its feature map has 32 × 8 × 8 numbers, not 32 × 5 × 5.
#[derive(Module)]
struct Net {
    conv1: Conv2d,
    conv2: Conv2d,
    pool: MaxPool2d,
    fc: Linear,
}

impl Net {
    fn new() -> Net {
        let net = Net {
            conv1: Conv2d::new(3, 16, 3).padding(1),
            conv2: Conv2d::new(16, 32, 3).padding(1),
            pool: MaxPool2d::new(2),
            fc: Linear::new(32 * 5 * 5, 10),
        };
        net.parameters();
        net
    }

    fn features(&self, x: &Tensor) -> Tensor {
        let x = self.pool.forward(&self.conv1.forward(x).relu());
        self.pool.forward(&self.conv2.forward(&x).relu())
    }
}

#[test]
fn a_dense_layer_of_the_wrong_size() {
    check(&[
        (
            "the feature map has other features than the layer",
            || {
                let net = Net::new();
                done(net.fc.forward(&net.features(&ones(&[4, 3, 32, 32])).flatten(1, -1)))
            },
            "fc: linear expects 800 features, got 2048 (input [4, 2048]); use Linear::new(2048, 10)",
        ),
        (
            "a reshape that swallows the batch axis until the layer fits, seen at the loss",
            || {
                let net = Net::new();
                let x = net.features(&ones(&[25, 3, 32, 32]).detach()).detach();
                let logits = net.fc.forward(&x.reshape([25 * 2048 / 800, 800]));
                done(cross_entropy(&logits, &Tensor::zeros_with([25], DType::I64)))
            },
            "cross_entropy needs one label per sample: logits [64, 10] take labels [64], got [25]; where the batch of 25 \
             became 64, flatten with .flatten(1, -1), which keeps the batch axis",
        ),
        (
            "images that are not flattened",
            || {
                let model = Sequential::new().named("layer1", Linear::new(784, 128)).add(Relu);
                model.parameters();
                done(model.forward(&ones(&[64, 1, 28, 28])))
            },
            "layer1: linear expects 784 features on the last axis, got 28 (input [64, 1, 28, 28]); put Flatten before \
             it: x.flatten(1, -1) has 784",
        ),
        (
            "images that are not flattened, and a layer that sizes itself",
            || {
                let model = Sequential::new().add(Linear::lazy(128)).add(Relu).add(Linear::lazy(10));
                done(cross_entropy(&model.forward(&ones(&[6, 28, 28])), &labels(&[0; 6])))
            },
            "cross_entropy needs one label per sample: logits [6, 28, 10] take labels [6, 10], got [6]; if the 10 on the \
             last axis are the classes, put Flatten before the first Linear",
        ),
        (
            "layers that do not fit each other",
            || {
                let model = Sequential::new().add(Linear::new(784, 128)).add(Relu).add(Linear::new(64, 10));
                model.parameters();
                done(model.forward(&ones(&[5, 784])))
            },
            "2: linear expects 64 features, got 128 (input [5, 128]); use Linear::new(128, 10)",
        ),
        (
            "the same, within a model in a box",
            || {
                let inner = Sequential::new().add(Linear::new(4, 3)).add(Relu).add(Linear::new(2, 1));
                let model: Box<dyn Layer> = Box::new(Sequential::new().named("head", inner));
                model.parameters();
                done(model.forward(&ones(&[5, 4])))
            },
            "head.2: linear expects 2 features, got 3 (input [5, 3]); use Linear::new(3, 1)",
        ),
        ("one sample without a batch axis is fine", || done(Linear::new(4, 2).forward(&ones(&[4]))), "(nothing)"),
        ("no features", || done(Linear::new(0, 10)), "Linear needs at least 1 feature each way, got 0 and 10"),
        (
            "a summary for another input",
            || {
                let model = Sequential::new().add(Flatten::new()).add(Linear::new(784, 10));
                done(summary(&model, &[1, 32, 32]))
            },
            "1: linear expects 784 features, got 1024 (input [1, 1024]); use Linear::new(1024, 10)",
        ),
        (
            "a build for another input",
            || done(Sequential::new().add(Linear::new(4, 2)).build(&[1, 5])),
            "linear expects 4 features, got 5 (input [1, 5]); use Linear::new(5, 2)",
        ),
    ]);
}

#[test]
fn what_a_program_survives_is_warned_of() {
    check_warnings(&[(
        "the reshape of the first founding program",
        || {
            let net = Net::new();
            done(net.features(&ones(&[25, 3, 32, 32])).reshape([64, 800]))
        },
        "reshape of [25, 32, 8, 8] to [64, 800]: the batch of 25 became 64, so rows mix samples. Each sample has 2048 \
         numbers: keep the batch axis with .flatten(1, -1), and use Linear::new(2048, …)",
    )]);
    check_warnings(&[(
        "layers without an activation between them",
        || done(Sequential::new().add(Linear::new(784, 128)).add(Linear::new(128, 64)).add(Relu)),
        "two Linear layers with nothing between them are one linear map: put an activation between them (Relu, Gelu …)",
    )]);
    // Tokens and heads are joined to the batch and split from it all the time.
    let x = Param::new(ones(&[6, 4, 8])).get();
    let ((), messages) = hadal::warnings(|| {
        for shape in [&[24, 8][..], &[2, 3, 4, 8], &[6, 32], &[192], &[12, 2, 8], &[3, 64]] {
            x.reshape(shape);
        }
    });
    assert_eq!(messages, [""; 0]);
}

#[test]
fn convolutions_and_pooling() {
    check(&[
        (
            "channels last",
            || done(Conv2d::new(3, 16, 3).forward(&ones(&[8, 32, 32, 3]))),
            "conv2d expects 3 input channels (weight [16, 3, 3, 3], groups 1), got 32 (input [8, 32, 32, 3]); the \
             channels seem to be last: permute them to axis 1",
        ),
        (
            "grey images into a layer for colours",
            || done(Conv2d::new(3, 16, 3).forward(&ones(&[8, 1, 28, 28]))),
            "conv2d expects 3 input channels (weight [16, 3, 3, 3], groups 1), got 1 (input [8, 1, 28, 28]); use \
             Conv2d::new(1, 16, 3)",
        ),
        (
            "flattened images",
            || done(Conv2d::new(3, 16, 3).forward(&ones(&[8, 3072]))),
            "conv2d needs an input [batch, channels, height, width] (or without the batch axis), got shape [8, 3072]",
        ),
        (
            "images smaller than the kernel",
            || done(Conv2d::new(1, 4, 5).forward(&ones(&[2, 1, 4, 4]))),
            "conv2d kernel [5, 5] spans 5 elements, but axis 2 of the input [2, 1, 4, 4] has 4 and 0 of padding",
        ),
        (
            "bytes instead of numbers from 0 to 1",
            || done(Conv2d::new(1, 4, 3).forward(&Tensor::zeros_with([2, 1, 8, 8], DType::U8))),
            "conv2d needs a floating-point tensor, got u8; convert with .to_dtype(DType::F32)",
        ),
        (
            "double precision into a single-precision model",
            || done(Linear::new(4, 2).forward(&Tensor::zeros_with([3, 4], DType::F64))),
            "linear got f64 and f32 tensors: convert one with .to_dtype(DType::F64)",
        ),
        (
            "no kernel",
            || done(Conv2d::new(3, 16, 0)),
            "Conv2d needs at least 1 channel each way and a kernel of at least 1, got 3, 16 and [0, 0]",
        ),
        (
            "two sizes for three axes",
            || done(Conv3d::new(3, 16, [3, 3])),
            "Conv over 3 axes needs one kernel size or 3, got [3, 3]",
        ),
        (
            "stride 0",
            || done(Conv2d::new(1, 1, 3).stride(0).forward(&ones(&[1, 1, 8, 8]))),
            "conv2d needs a stride of at least 1, got [0]",
        ),
        (
            "groups that do not divide the channels",
            || done(Conv2d::new(16, 32, 3).groups(3)),
            "Conv2d cannot split 16 inputs and 32 outputs into 3 groups",
        ),
        (
            "windows larger than the image",
            || done(MaxPool2d::new(4).forward(&ones(&[1, 1, 3, 3]))),
            "max_pool2d window of 4 elements does not fit axis 2 of the input [1, 1, 3, 3], padded by 0",
        ),
        (
            "more padding than half a window",
            || done(MaxPool2d::new(2).padding(2).forward(&ones(&[1, 1, 8, 8]))),
            "max_pool2d needs padding of at most half a window (1), got 2",
        ),
    ]);
}

#[test]
fn normalization_dropout_and_embeddings() {
    check(&[
        (
            "batch norm of images after flattening",
            || done(BatchNorm2d::new(32).forward(&ones(&[8, 2048]))),
            "BatchNorm2d takes [batch, channels, height, width], got an input of shape [8, 2048]",
        ),
        (
            "batch norm of other channels",
            || done(BatchNorm2d::new(32).forward(&ones(&[8, 16, 4, 4]))),
            "BatchNorm2d expects 32 channels, got 16 (input [8, 16, 4, 4]); use BatchNorm2d::new(16)",
        ),
        (
            "batch norm trained on one sample",
            || done(BatchNorm1d::new(4).forward(&ones(&[1, 4]))),
            "batch_norm needs more than one value per channel to train on, got input [1, 4]; use a larger batch, or \
             eval mode",
        ),
        (
            "layer norm of another size",
            || done(LayerNorm::new(64).forward(&ones(&[8, 32]))),
            "layer_norm is over the last axes [64], but the input has shape [8, 32]",
        ),
        (
            "group norm with too many groups",
            || done(GroupNorm::new(4, 6).forward(&ones(&[2, 6, 3]))),
            "group_norm cannot split 6 channels into 4 groups (input [2, 6, 3])",
        ),
        ("dropout in percent", || done(Dropout::new(50.0)), "Dropout needs a probability between 0 and 1, got 50"),
        (
            "a word beyond the vocabulary",
            || done(Embedding::new(1000, 16).forward(&labels(&[5, 1000]))),
            "embedding got index 1000 at position [1]; allowed for axis 0 are 0 to 999",
        ),
        (
            "words as floats",
            || done(Embedding::new(1000, 16).forward(&ones(&[2, 3]))),
            "embedding needs integer indices, got f32; convert with .to_dtype(DType::I64)",
        ),
        (
            "an axis split into other sizes",
            || done(Unflatten::new(1, [3, 8]).forward(&ones(&[2, 32]))),
            "unflatten needs sizes whose product is 32 (axis 1 of [2, 32]), got [3, 8]",
        ),
    ]);
}
