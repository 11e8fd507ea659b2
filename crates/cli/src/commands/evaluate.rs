//! `hadal evaluate`: a trained model on test data.

use crate::args::Evaluate as Options;
use crate::console::say;
use crate::in_units::InUnits;
use crate::source::{self, Task};
use hadal::prelude::*;
use hadal::{Trained, attempt, no_grad};
use serde_json::json;

/// Prints loss and metrics, and for up to twenty classes the confusion matrix.
pub fn run(options: Options) -> Result<()> {
    let trained = Trained::read(&options.model)?;
    let task = Task::of(&trained.labels);
    let test = source::open_test(&trained, options.data)?;
    let mut loss = Mean::default();
    let mut metrics: Vec<Box<dyn Metric>> = match task {
        Task::Classify => vec![Box::new(Accuracy::new())],
        Task::Regress => {
            let prepared = &trained.preprocessing;
            vec![
                Box::new(InUnits::new(RootMeanSquaredError::default(), prepared)),
                Box::new(InUnits::new(R2::default(), prepared)),
            ]
        }
    };
    let mut confusion = ConfusionMatrix::new(trained.labels.len().max(2));
    no_grad(|| {
        for batch in test.epoch(0) {
            let Batch { input, target, .. } = batch?;
            let prediction = trained.forward(&input)?;
            let value = attempt(|| match task {
                Task::Classify => cross_entropy(&prediction, &target),
                Task::Regress => mse_loss(&prediction, &target, Reduction::Mean),
            })?;
            loss.update(value.item(), input.shape()[0]);
            metrics.iter_mut().try_for_each(|metric| metric.update(&prediction, &target))?;
            if task == Task::Classify {
                confusion.update(&prediction, &target)?;
            }
        }
        Ok::<(), Error>(())
    })?;
    let mut report = json!({ "model": trained.name, "samples": test.samples(), "test_loss": loss.value() });
    let mut line = format!("{} on {} samples: test loss {:.4}", trained.name, test.samples(), loss.value());
    for metric in &metrics {
        line += &format!(" - test {} {:.4}", metric.name(), metric.value());
        report[format!("test_{}", metric.name())] = json!(metric.value());
    }
    say!("{line}");
    if task == Task::Classify {
        report["test_recall_macro"] = json!(confusion.recall(Averaging::Macro));
        report["test_precision_macro"] = json!(confusion.precision(Averaging::Macro));
        if confusion.classes() <= 20 {
            say!("{confusion}");
        }
    }
    if options.json {
        say!("{report}");
    }
    Ok(())
}
