//! Losses that do not fit what they compare.

use super::{check, check_warnings, done, labels, ones};
use hadal::prelude::*;

#[test]
fn labels_and_logits() {
    check(&[
        (
            "labels that count from 1",
            || done(cross_entropy(&ones(&[4, 10]), &labels(&[3, 1, 10, 7]))),
            "cross_entropy got label 10 for sample 2, but the logits have 10 classes: labels count from 0 to 9",
        ),
        (
            "-1 for no label",
            || done(cross_entropy(&ones(&[2, 3]), &labels(&[0, -1]))),
            "cross_entropy got label -1 for sample 1, but the logits have 3 classes: labels count from 0 to 2",
        ),
        (
            "labels as floats",
            || done(cross_entropy(&ones(&[2, 3]), &Tensor::from([0f32, 1.0]))),
            "cross_entropy needs class indices (integers) or probabilities of the logits' shape [2, 3], got f32 of shape \
             [2]; convert labels with .to_dtype(DType::I64)",
        ),
        (
            "labels of another batch",
            || done(cross_entropy(&ones(&[4, 3]), &labels(&[0, 1, 2]))),
            "cross_entropy needs one label per sample: logits [4, 3] take labels [4], got [3]; where the batch of 3 \
             became 4, flatten with .flatten(1, -1), which keeps the batch axis",
        ),
        (
            "one-hot rows are fine",
            || done(cross_entropy(&ones(&[2, 2]), &Tensor::from([[0i64, 1], [1, 0]]))),
            "(nothing)",
        ),
        (
            "a column of labels is fine",
            || done(cross_entropy(&ones(&[2, 2]), &Tensor::from([[0i64], [1]]))),
            "(nothing)",
        ),
        (
            "one-hot rows of another number of classes",
            || done(cross_entropy(&ones(&[2, 3]), &ones(&[2, 4]))),
            "cross_entropy needs probabilities of the logits' shape [2, 3], got [2, 4]",
        ),
        (
            "predicted classes instead of logits",
            || done(cross_entropy(&ones(&[4, 3]).argmax(1), &labels(&[0; 4]))),
            "cross_entropy needs logits, which are floats, got i64; pass the model's output as it is",
        ),
        (
            "one weight too few",
            || done(CrossEntropy::new().class_weights(ones(&[2])).forward(&ones(&[4, 3]), &labels(&[0; 4]))),
            "cross_entropy needs one weight per class, [3], got [2]",
        ),
        (
            "label smoothing in percent",
            || done(CrossEntropy::new().label_smoothing(10.0).forward(&ones(&[1, 3]), &labels(&[0]))),
            "cross_entropy needs label smoothing between 0 and 1, got 10",
        ),
        (
            "a loss for two classes, and labels for ten",
            || done(binary_cross_entropy_with_logits(&ones(&[4, 10]), &labels(&[0; 4]))),
            "binary_cross_entropy_with_logits needs a yes or no for each of 10 questions, [4, 10], got [4]; for one \
             class of 10 use cross_entropy",
        ),
        (
            "logits where probabilities belong",
            || done(binary_cross_entropy(&Tensor::from([0.5f32, 3.25]), &ones(&[2]), Reduction::Mean)),
            "binary_cross_entropy needs probabilities from 0 to 1, got 3.25; logits go to \
             binary_cross_entropy_with_logits",
        ),
    ]);
    check_warnings(&[(
        "a softmax before a loss from logits",
        || {
            let model = Sequential::new().add(Linear::new(4, 3)).add(Softmax::new(1));
            done(cross_entropy(&model.forward(&ones(&[2, 4])), &labels(&[0, 1])))
        },
        "cross_entropy takes logits, and got the result of a softmax: its input is used instead. Remove the softmax from \
         the model, and apply it to predictions only",
    )]);
}

#[test]
fn predicted_numbers() {
    check(&[
        (
            "a column against a row: all pairs would be compared",
            || done(mse_loss(&ones(&[32, 1]), &ones(&[32]), Reduction::Mean)),
            "mse_loss needs output and target of one shape, got [32, 1] and [32]; take the output's last axis away: \
             output.squeeze(-1)",
        ),
        (
            "a row against a column",
            || done(l1_loss(&ones(&[32]), &ones(&[32, 1]), Reduction::Mean)),
            "l1_loss needs output and target of one shape, got [32] and [32, 1]; take the target's last axis away: \
             target.squeeze(-1)",
        ),
        (
            "two outputs for one target",
            || done(huber_loss(&ones(&[8, 2]), &ones(&[8, 1]), 1.0, Reduction::Mean)),
            "huber_loss needs output and target of one shape, got [8, 2] and [8, 1]",
        ),
        (
            "a yes or no per sample against a column",
            || done(binary_cross_entropy_with_logits(&ones(&[8, 1]), &ones(&[8]))),
            "binary_cross_entropy_with_logits needs output and target of one shape, got [8, 1] and [8]; take the \
             output's last axis away: output.squeeze(-1)",
        ),
        (
            "one weight for every class instead of every sample",
            || done(weighted_mean(&ones(&[8]), &ones(&[3]))),
            "weighted_mean needs one weight per sample, [8], got [3]",
        ),
        (
            "anchors and positives of other batches",
            || done(TripletMargin::new().forward(&ones(&[8, 4]), &ones(&[7, 4]), &ones(&[8, 4]))),
            "triplet_margin needs anchor, positive and negative of one shape, got [8, 4], [7, 4] and [8, 4]",
        ),
        (
            "labels for a margin that are no classes",
            || done(MultiMargin::new().forward(&ones(&[2, 3]), &labels(&[0, 3]))),
            "multi_margin got label 3 for sample 1, but there are 3 classes",
        ),
    ]);
}
