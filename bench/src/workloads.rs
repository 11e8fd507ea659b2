//! What is compared, by the names of the workloads.

mod inference;
mod kernels;
pub mod training;

/// A piece of work that every framework can be asked to do.
pub struct Workload {
    /// `W5_mlp_seed4`
    pub name: String,
    pub about: String,
    pub measure: Measure,
    prepare: Prepare,
    compiled: Option<Prepare>,
}

/// Makes the model and the data; the result does one step.
type Prepare = Box<dyn Fn() -> Box<dyn FnMut()>>;

/// What the time of a step is turned into.
#[derive(Clone, Copy, PartialEq)]
pub enum Measure {
    /// Training steps of so many samples.
    Training { batch: usize },
    /// Predictions of so many samples.
    Inference { batch: usize },
    /// So many floating-point operations; they are the metric of a family of kernels.
    Arithmetic { flops: f64 },
    /// So many bytes read and written.
    Memory { bytes: f64 },
    /// A fresh process to its first prediction.
    ColdStart,
}

impl Workload {
    fn new(
        name: impl Into<String>,
        about: impl Into<String>,
        measure: Measure,
        prepare: impl Fn() -> Box<dyn FnMut()> + 'static,
    ) -> Workload {
        Workload { name: name.into(), about: about.into(), measure, prepare: Box::new(prepare), compiled: None }
    }

    /// With another way to do the same work: as a compiled function.
    fn with_compiled(self, prepare: impl Fn() -> Box<dyn FnMut()> + 'static) -> Workload {
        Workload { compiled: Some(Box::new(prepare)), ..self }
    }

    /// Makes the model and the data; the result does one step.
    pub fn prepare(&self) -> Box<dyn FnMut()> {
        (self.prepare)()
    }

    /// As [`Workload::prepare`], compiled; not every workload has it.
    pub fn prepare_compiled(&self) -> Option<Box<dyn FnMut()>> {
        self.compiled.as_ref().map(|prepare| prepare())
    }
}

/// All of them, in order.
pub fn all() -> Vec<Workload> {
    let mut all = training::all();
    all.extend(inference::all());
    all.extend(kernels::all());
    let about = "a fresh process to the first prediction of W5's model";
    all.push(Workload::new("W11_cold_start", about, Measure::ColdStart, || Box::new(crate::cold_start::predict)));
    for (name, architecture, ..) in crate::cold_start::STORED {
        let about = format!("a fresh process to the first prediction of `{architecture}` from a file");
        all.push(Workload::new(name, about, Measure::ColdStart, || Box::new(crate::cold_start::predict)));
    }
    all
}

/// Those that are asked for, by name or by the beginning of it (`W6`, `W10_conv2d`); all if none is.
pub fn chosen(asked: &[String]) -> Result<Vec<Workload>, String> {
    let wanted = |name: &str, asked: &str| name == asked || name.starts_with(&format!("{asked}_"));
    if let Some(unknown) = asked.iter().find(|asked| !all().iter().any(|w| wanted(&w.name, asked))) {
        let known: Vec<String> = all().into_iter().map(|w| w.name).collect();
        return Err(format!("no workload is called `{unknown}`; there are {}", known.join(", ")));
    }
    Ok(all().into_iter().filter(|w| asked.is_empty() || asked.iter().any(|asked| wanted(&w.name, asked))).collect())
}
