//! `compile`, `fit`, `evaluate`, callbacks and metrics.

use super::{check, check_warnings, done, labels, ones};
use hadal::data::{LastBatch, Loader, TensorDataset};
use hadal::prelude::*;
use hadal::train::Ending;

/// Inputs `[samples, 4]` that differ, with these labels.
fn data(targets: &[i64]) -> Loader {
    let inputs = Tensor::arange(4 * targets.len()).to_dtype(DType::F32).reshape([targets.len(), 4]);
    Loader::new(TensorDataset::new(&inputs, &labels(targets)), 2)
}

fn trainer() -> Trainer<Sequential> {
    let model = Sequential::new().add(Linear::new(4, 8)).add(Relu).add(Linear::new(8, 3));
    let optimizer = Sgd::new(0.01).optimize(model.parameters());
    model.compile(optimizer, cross_entropy)
}

fn fit(trainer: &mut Trainer<Sequential>, plan: Fit) -> Result<()> {
    trainer.fit(&data(&[0, 1, 2, 0]), plan).map(drop)
}

#[test]
fn data_that_cannot_be_learned_from() {
    check(&[
        ("no epochs", || fit(&mut trainer(), Fit::epochs(0)), "fit got 0 epochs: nothing would be learned"),
        (
            "no training data",
            || trainer().fit(&data(&[]), Fit::epochs(1)).map(drop),
            "fit got no batches: the training data is empty",
        ),
        (
            "less training data than a batch",
            || trainer().fit(&data(&[1]).last_batch(LastBatch::Drop), Fit::epochs(1)).map(drop),
            "fit got no batches: the training data has 1 samples, and incomplete batches of 2 are dropped",
        ),
        (
            "no validation data",
            || fit(&mut trainer(), Fit::epochs(1).validation(&data(&[]))),
            "fit got no batches: the validation data is empty",
        ),
        (
            "nothing to measure on",
            || trainer().evaluate(&data(&[])).map(drop),
            "evaluate got no batches: the data is empty",
        ),
        ("nothing to predict", || trainer().predict(&data(&[])).map(drop), "predict got no batches: the data is empty"),
        (
            "a label out of range",
            || trainer().fit(&data(&[0, 1, 2, 0, 1, 3]).shuffle(4), Fit::epochs(1)).map(drop),
            "cross_entropy got label 3 for sample 1, but the logits have 3 classes: labels count from 0 to 2 (sample \
             1 of this batch is sample 5 of the data set)",
        ),
        (
            "inputs of another size",
            || {
                let inputs = TensorDataset::new(&ones(&[2, 5]), &labels(&[0, 1]));
                trainer().fit(&Loader::new(inputs, 2), Fit::epochs(1)).map(drop)
            },
            "0: linear expects 4 features, got 5 (input [2, 5]); use Linear::new(5, 8)",
        ),
        (
            "the same when predicting",
            || trainer().predict(&Loader::new(TensorDataset::new(&ones(&[2, 5]), &labels(&[0, 1])), 2)).map(drop),
            "0: linear expects 4 features, got 5 (input [2, 5]); use Linear::new(5, 8)",
        ),
        (
            "a loss per sample",
            || {
                let model = Linear::new(4, 3);
                let optimizer = Sgd::new(0.01).optimize(model.parameters());
                let each = |output: &Tensor, target: &Tensor| {
                    CrossEntropy::new().reduction(Reduction::None).forward(output, target)
                };
                model.compile(optimizer, each).fit(&data(&[0, 1]), Fit::epochs(1)).map(drop)
            },
            "backward needs a scalar, got shape [2]: reduce the loss with .mean(..) or .sum(..), or use \
             backward_from(&seed)",
        ),
        (
            "a model without parameters",
            || {
                let model = Sequential::new().add(Relu);
                let optimizer = Sgd::new(0.01).optimize(model.parameters());
                model.compile(optimizer, cross_entropy).fit(&data(&[0, 1]), Fit::epochs(1)).map(drop)
            },
            "Sgd got no parameters: give it model.parameters(), and each group at least one",
        ),
        (
            "gradients of no batches",
            || done(trainer().accumulate(0)),
            "accumulate needs at least 1 batch per step, got 0",
        ),
        (
            "gradients clipped to nothing",
            || done(trainer().clip(Clip::GlobalNorm(0.0))),
            "clip needs a positive limit, got GlobalNorm(0.0)",
        ),
    ]);
    check_warnings(&[
        (
            "validation on the training data",
            || fit(&mut trainer(), Fit::epochs(1).validation(&data(&[0, 1, 2, 0]))),
            "the validation data is training data: val_loss will not show overfitting. Set some samples aside with \
             random_split",
        ),
        (
            "validation on the test data",
            || {
                let (mut trainer, test) = (trainer(), data(&[2, 1, 0]));
                fit(&mut trainer, Fit::epochs(1).validation(&test))?;
                trainer.evaluate(&test).map(drop)
            },
            "this is the data that fit validated on: a model that was chosen by it looks better on it than on new data. \
             Keep test data apart",
        ),
    ]);
}

#[test]
fn callbacks() {
    check(&[
        (
            "stopping by a number that is not there",
            || fit(&mut trainer(), Fit::epochs(1).callback(&mut EarlyStopping::new("val_loss"))),
            "early stopping monitors `val_loss`, but the logs have only loss; pass validation data to fit",
        ),
        (
            "saving by a misspelt number",
            || {
                let mut best = ModelCheckpoint::new("best.safetensors").best("acuracy");
                fit(&mut trainer().metric(Accuracy::new()), Fit::epochs(1).callback(&mut best))
            },
            "model checkpoint monitors `acuracy`, but the logs have only loss, accuracy; did you mean `accuracy`?",
        ),
        (
            "a file named after a number that is not logged",
            || {
                fit(
                    &mut trainer(),
                    Fit::epochs(1).callback(&mut ModelCheckpoint::new("{epoch}-{val_loss:.2}.safetensors")),
                )
            },
            "checkpoint path {epoch}-{val_loss:.2}.safetensors: `val_loss` is not logged; there are loss",
        ),
        (
            "a brace that is not closed",
            || fit(&mut trainer(), Fit::epochs(1).callback(&mut ModelCheckpoint::new("{epoch.safetensors"))),
            "checkpoint path {epoch.safetensors: `{` without `}`",
        ),
        (
            "a direction for nothing",
            || done(ModelCheckpoint::new("x").better(Better::Lower)),
            "call .best(name) before .better(direction)",
        ),
        (
            "rates that grow on a plateau",
            || done(ReduceLrOnPlateau::new("loss").factor(10.0)),
            "reduce on plateau needs a factor from 0 to below 1, got 10",
        ),
        (
            "a schedule below zero",
            || {
                fit(
                    &mut trainer(),
                    Fit::epochs(3).callback(&mut LearningRateScheduler(|epoch, _| 0.1 - 0.1 * epoch as f64)),
                )
            },
            "set_lr needs a finite learning rate that is 0 or more, got -0.1",
        ),
    ]);
    let mut log = CsvLogger::new("nowhere/log.csv");
    let error = fit(&mut trainer(), Fit::epochs(1).callback(&mut log)).unwrap_err();
    assert_eq!(error.to_string(), format!("nowhere/log.csv: {}", std::io::Error::from_raw_os_error(2)));
    // A learning rate far too high, with the callback that stops.
    let model = Linear::new(4, 1);
    let optimizer = Sgd::new(1e30).optimize(model.parameters());
    let mut trainer = model.compile(optimizer, |output, _| output.square().mean(..));
    let history = trainer.fit(&data(&[0, 1, 2, 0, 1, 2]), Fit::epochs(1).callback(&mut TerminateOnNan)).unwrap();
    assert_eq!(
        history.ending,
        Ending::Stopped(
            "the loss became inf at epoch 1, batch 2 (learning rate 1000000000000000000000000000000); lower the \
             learning rate, clip the gradients, or look for the first bad op with detect_anomaly"
                .into()
        )
    );
}

#[test]
fn metrics() {
    check(&[
        (
            "scores of other samples",
            || Accuracy::new().update(&ones(&[4, 3]), &labels(&[0, 1])),
            "accuracy needs scores [samples, classes] with class indices [samples] or one-hot rows, or one score per \
             sample with 0/1 targets; got scores [4, 3] and targets [2]",
        ),
        (
            "a label out of range",
            || Accuracy::new().update(&ones(&[2, 3]), &labels(&[0, 3])),
            "accuracy found label 3 at sample 1; labels are 0 to 2",
        ),
        (
            "a column against a row",
            || RootMeanSquaredError::default().update(&ones(&[4, 1]), &ones(&[4])),
            "rmse needs predictions and targets of one shape, got [4, 1] and [4]; reshape one of them",
        ),
        (
            "the best five of a yes or no",
            || TopK::new(5).update(&ones(&[4, 1]), &labels(&[0, 1, 0, 1])),
            "top_k needs one score per class, got shape [4, 1]",
        ),
        ("the best none", || done(TopK::new(0)), "top_k needs at least the largest score, k = 1; got k = 0"),
        (
            "a matrix for fewer classes",
            || ConfusionMatrix::new(2).update(&ones(&[1, 3]), &labels(&[2])),
            "confusion_matrix for 2 classes met class 2",
        ),
    ]);
}
