//! `hadal train`: from a recipe to a model file.

use crate::args::Train as Options;
use crate::console::say;
use crate::in_units::InUnits;
use crate::recipe::{self, Recipe};
use crate::source::{self, Source, Task};
use hadal::format::model_file::{ModelFile, weights_sha256};
use hadal::models::{self, Spec};
use hadal::nn::Layer;
use hadal::prelude::*;
use hadal::train::{Ending, Logs, checkpoint, interrupt};
use hadal::{Profile, profile};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

/// Trains, measures on the test data, and writes `model.safetensors`, `metrics.csv` and `run.json` into `--out`.
///
/// After Ctrl-C nothing is measured; the weights are written all the same, beside the checkpoint.
pub fn run(options: Options) -> Result<Ending> {
    let recipe = with_flags(&options)?;
    if options.print_config {
        say!("{}", toml::to_string(&recipe).map_err(|e| Error::invalid(e.to_string()))?.trim_end());
        return Ok(Ending::Finished);
    }
    let source = source::open(&recipe, options.limit)?;
    manual_seed(recipe.train.seed);
    let spec = Spec { input: source.preprocessing.shape(), outputs: source.outputs };
    let model = models::build(&recipe.model.name, &spec)?;
    let optimizer = recipe::optimizer(&recipe.optimizer, model.parameters())?;
    let out = options.out.as_deref();
    if let Some(folder) = out {
        std::fs::create_dir_all(folder).map_err(|e| Error::file(folder, format!("cannot be made a folder: {e}")))?;
    }
    announce(&recipe, &source, &*model);
    interrupt::install()?;

    let task = source.task();
    let smoothing = recipe.train.label_smoothing;
    let loss = move |prediction: &Tensor, target: &Tensor| match task {
        Task::Classify => CrossEntropy::new().label_smoothing(smoothing).forward(prediction, target),
        Task::Regress => mse_loss(prediction, target, Reduction::Mean),
    };
    let mut trainer = model.compile(optimizer, loss).accumulate(recipe.train.accumulate);
    trainer = match task {
        Task::Classify => trainer.metric(Accuracy::new()),
        Task::Regress => {
            let prepared = &source.preprocessing;
            trainer
                .metric(InUnits::new(RootMeanSquaredError::default(), prepared))
                .metric(InUnits::new(R2::default(), prepared))
        }
    };
    if let Some(norm) = recipe.train.clip_norm {
        trainer = trainer.clip(Clip::GlobalNorm(norm));
    }
    // The weights are the same either way; a profile tells more of single ops.
    if options.profile.is_none() {
        trainer = trainer.compiled();
    }

    let begun = Instant::now();
    let mut training = || fit(&mut trainer, &recipe, &source, &options);
    let (history, profile) = match options.profile {
        Some(_) => {
            let (history, profile) = profile(training);
            (history?, Some(profile))
        }
        None => (training()?, None),
    };
    let seconds = begun.elapsed().as_secs_f64();
    let interrupted = history.ending == Ending::Interrupted;
    let scores = if interrupted { None } else { Some(trainer.evaluate(&source.test)?) };
    if let Some(loss) = scores.as_ref().map(|scores| scores.loss).filter(|loss| !loss.is_finite()) {
        let rate = trainer.optimizer().lr();
        let message = format!(
            "the test loss is {loss}: the weights are useless, and no model was saved; try a learning rate below {rate:e} \
             (--lr), or train.clip_norm in a recipe"
        );
        return Err(Error::invalid(message));
    }
    let metric = if task == Task::Classify { "accuracy" } else { "rmse" };
    match (&scores, out) {
        (Some(scores), _) => say!("test loss {:.4} - {}", scores.loss, test_line(&scores.metrics)),
        (None, Some(folder)) => {
            say!("interrupted; go on with --out {} --resume", folder.display());
        }
        (None, None) => say!("interrupted; nothing is saved without --out"),
    }

    let tensors: BTreeMap<String, Tensor> =
        trainer.model().named_state().into_iter().map(|(name, param)| (name, param.get().detach())).collect();
    let report = json!({
        "recipe": recipe.data.set,
        "model": recipe.model.name,
        "parameters": trainer.model().parameter_count(),
        "epochs": history.epochs.len(),
        format!("test_{metric}"): scores.as_ref().and_then(|scores| scores.metrics.get(metric)),
        "test_loss": scores.as_ref().map(|scores| scores.loss),
        "seconds": seconds,
        "samples_per_second": history.samples_per_second(),
        "threads": hadal::threads(),
        "interrupted": interrupted,
        "weights_sha256": weights_sha256(tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))),
    });
    if let Some(folder) = out {
        save(folder, tensors, &recipe, &source, &report)?;
        say!("saved {}", folder.join("model.safetensors").display());
    }
    if let (Some(profile), Some(file)) = (profile, &options.profile) {
        let place = file.clone().unwrap_or_else(|| out.unwrap_or(Path::new("")).join("profile.json"));
        show(&profile, &place)?;
    }
    if options.json {
        say!("{report}");
    }
    Ok(history.ending)
}

/// The recipe with what the command line says instead.
fn with_flags(options: &Options) -> Result<Recipe> {
    let mut recipe = Recipe::load(&options.recipe)?;
    let set = |place: &mut usize, flag: Option<usize>| *place = flag.unwrap_or(*place);
    set(&mut recipe.train.epochs, options.epochs);
    set(&mut recipe.train.batch_size, options.batch_size);
    recipe.train.seed = options.seed.unwrap_or(recipe.train.seed);
    recipe.optimizer.lr = options.lr.or(recipe.optimizer.lr);
    if let Some(name) = &options.optimizer {
        if *name != recipe.optimizer.name && options.lr.is_none() {
            // A learning rate that suits one optimizer misleads another: take the new one's default.
            recipe.optimizer.lr = None;
        }
        recipe.optimizer.name = name.clone();
    }
    if let Some(name) = &options.model {
        recipe.model.name = name.clone();
    }
    if let Some(path) = &options.data {
        recipe.data.path = Some(path.clone());
    }
    recipe.check().map_err(Error::invalid)?;
    Ok(recipe)
}

fn announce(recipe: &Recipe, source: &Source, model: &dyn Layer) {
    let counts = [Some(&source.train), source.validation.as_ref(), Some(&source.test)];
    let [train, validation, test] = counts.map(|loader| loader.map_or(0, |l| l.samples()));
    let validation = if validation > 0 { format!(", {validation} for validation") } else { String::new() };
    say!(
        "{} on {}: {} parameters, {train} samples{validation}, {test} for testing",
        recipe.model.name,
        recipe.data.set,
        model.parameter_count()
    );
}

fn fit(trainer: &mut Trainer<Box<dyn Layer>>, recipe: &Recipe, source: &Source, options: &Options) -> Result<History> {
    let steps = source.train.len().div_ceil(recipe.train.accumulate) * recipe.train.epochs;
    let mut bar = ProgressBar::new();
    let mut nan = TerminateOnNan;
    let mut schedule = recipe::schedule(&recipe.optimizer, steps, recipe.train.accumulate)?;
    let monitor = if source.validation.is_some() { "val_loss" } else { "loss" };
    let mut stopping = recipe.train.patience.map(|p| EarlyStopping::new(monitor).patience(p).restore_best_weights());
    let folder = options.out.as_deref();
    let resuming = folder.map(|f| f.join(CHECKPOINT)).filter(|path| options.resume && path.exists());
    let mut log = folder.map(|f| {
        let log = CsvLogger::new(f.join("metrics.csv"));
        if resuming.is_some() { log.append() } else { log }
    });
    let order = format!(
        "seed {}, {} samples and batches of {}",
        recipe.train.seed,
        source.train.samples(),
        recipe.train.batch_size
    );
    let mut saving = folder.map(|f| checkpoint::Checkpoint::new(f.join(CHECKPOINT)).order(order));
    let mut plan = Fit::epochs(recipe.train.epochs);
    if let Some(saved) = saving.as_ref().filter(|_| resuming.is_some()) {
        let position = saved.restore(trainer.model(), trainer.optimizer())?;
        say!("resuming after {} epochs and {} batches", position.epoch, position.batch);
        plan = plan.start_at(position);
    }
    if let Some(validation) = &source.validation {
        plan = plan.validation(validation);
    }
    if let Some(schedule) = &mut schedule {
        plan = plan.callback(schedule);
    }
    plan = plan.callback(&mut nan);
    if let Some(stopping) = &mut stopping {
        plan = plan.callback(stopping);
    }
    if let Some(log) = &mut log {
        plan = plan.callback(log);
    }
    if let Some(saving) = &mut saving {
        plan = plan.callback(saving);
    }
    trainer.fit(&source.train, plan.callback(&mut bar))
}

/// Prints a profile and writes its timeline.
fn show(profile: &Profile, file: &Path) -> Result<()> {
    say!("\n{}", profile.table());
    hadal::format::atomic::write(file, |f| f.write_all(profile.chrome_trace().as_bytes()))?;
    say!("wrote {}: open it in https://ui.perfetto.dev or chrome://tracing", file.display());
    Ok(())
}

/// The checkpoint's name in the `--out` folder.
const CHECKPOINT: &str = "checkpoint.safetensors";

fn test_line(metrics: &Logs) -> String {
    metrics.iter().map(|(name, value)| format!("test {name} {value:.4}")).collect::<Vec<_>>().join(" - ")
}

/// `model.safetensors` with all that `hadal predict` needs, and `run.json`.
fn save(
    folder: &Path,
    tensors: BTreeMap<String, Tensor>,
    recipe: &Recipe,
    source: &Source,
    report: &Value,
) -> Result<()> {
    let value = |what: serde_json::Result<Value>| what.map_err(|e| Error::invalid(e.to_string()));
    let architecture = json!({
        "name": recipe.model.name,
        "input": source.preprocessing.shape(),
        "outputs": source.outputs,
    });
    let manifest = json!({
        "hadal": env!("CARGO_PKG_VERSION"),
        "recipe": value(serde_json::to_value(recipe))?,
        "result": report,
    });
    let preprocessing = value(serde_json::to_value(&source.preprocessing))?;
    let run = serde_json::to_string_pretty(&manifest).map_err(|e| Error::invalid(e.to_string()))?;
    let (labels, compression) = (source.labels.clone(), Value::Null);
    let file = ModelFile { architecture, labels, preprocessing, manifest, compression, tensors };
    file.write(folder.join("model.safetensors"))?;
    hadal::format::atomic::write(folder.join("run.json"), |f| writeln!(f, "{run}"))
}
