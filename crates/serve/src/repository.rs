//! The models being served: loaded, replaced and taken away while requests run.
//!
//! A version is an `Arc` in a table. Requests take it out and keep it until they are answered, so replacing it is one
//! assignment: new requests get the new one, the old one is freed when its last request is done.

use crate::batcher::{Batcher, Batching};
use crate::metrics::{Metrics, Served};
use crate::onnx::OnnxModel;
use crate::options::Rounding;
use crate::refusal::Refusal;
use crate::servable::{Servable, Signature};
use crate::source::{self, Source, Stamp};
use crate::trained::TrainedModel;
use hadal::{Error, Result, closest};
use hyper::StatusCode;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};

/// A version of a model, ready to infer.
pub struct Serving {
    /// The model's name.
    pub name: String,
    /// The version's number.
    pub version: u64,
    /// The model.
    pub model: Arc<dyn Servable>,
    /// Its queue.
    pub batcher: Batcher,
}

impl Serving {
    /// What the model takes and gives.
    pub fn signature(&self) -> &Signature {
        self.model.signature()
    }
}

/// A model that was given to the server.
#[derive(Default)]
struct Entry {
    versions: BTreeMap<u64, Arc<Serving>>,
    /// Why there are none, or why the newest files are not those being served.
    reason: String,
    loading: bool,
    /// What lay there when it was last loaded, or tried to.
    files: Vec<(u64, PathBuf, Stamp)>,
}

/// A line of the repository's index.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Line {
    /// The model's name.
    pub name: String,
    /// The version, where one is served.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// `READY`, `LOADING` or `UNAVAILABLE`.
    pub state: &'static str,
    /// Why it is not ready, or why it is not the newest.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// Everything that is served.
pub struct Repository {
    sources: Vec<Source>,
    batching: Batching,
    rounding: Rounding,
    metrics: Arc<Metrics>,
    entries: RwLock<BTreeMap<String, Entry>>,
    /// One model is loaded at a time.
    loading: Mutex<()>,
}

/// Opens a file as a model, by its ending; [`source::ENDINGS`] lists the endings.
fn open(path: &Path, rounding: Rounding) -> Result<Arc<dyn Servable>> {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("safetensors") => Ok(Arc::new(TrainedModel::read(path, rounding)?)),
        Some("onnx") => Ok(Arc::new(OnnxModel::read(path, rounding)?)),
        _ => Err(Error::file(
            path,
            "is no model that can be served: give a .safetensors file that `hadal train` wrote, or an .onnx file",
        )),
    }
}

impl Repository {
    /// The models of these sources, none of them loaded.
    ///
    /// # Errors
    /// When a folder cannot be read, two models have one name, or there is none.
    pub fn new(
        sources: Vec<Source>,
        batching: Batching,
        rounding: Rounding,
        metrics: Arc<Metrics>,
    ) -> Result<Repository> {
        let (entries, loading) = (RwLock::default(), Mutex::default());
        let repository = Repository { sources, batching, rounding, metrics, entries, loading };
        let mut places: BTreeMap<String, PathBuf> = BTreeMap::new();
        for (name, path) in repository.on_disk()? {
            if let Some(other) = places.get(&name) {
                let message = format!(
                    "two models are called {name}: {} and {}; give one another name with NAME=PATH",
                    other.display(),
                    path.display()
                );
                return Err(Error::invalid(message));
            }
            places.insert(name, path);
        }
        if places.is_empty() && !repository.sources.is_empty() {
            return Err(Error::invalid(
                "there is no model to serve: no .safetensors or .onnx file, and no folder with a model in it",
            ));
        }
        let entry = || Entry { loading: true, ..Entry::default() };
        repository.update(|entries| entries.extend(places.into_keys().map(|name| (name, entry()))));
        Ok(repository)
    }

    /// Serves a model that is in memory already, as version 1.
    ///
    /// # Errors
    /// When the name is no name or is taken.
    pub fn add(&self, name: &str, model: Arc<dyn Servable>) -> Result<()> {
        let _alone = self.one_at_a_time();
        if !source::is_name(name) || self.names().iter().any(|known| known == name) {
            return Err(Error::invalid(format!("{name:?} cannot be the name of a model, or is that of another one")));
        }
        let batcher = Batcher::start(name, model.clone(), self.batching, self.metrics.clone())?;
        let serving = Arc::new(Serving { name: name.to_owned(), version: 1, model, batcher });
        let entry = Entry { versions: BTreeMap::from([(1, serving)]), ..Entry::default() };
        self.update(|entries| entries.insert(name.to_owned(), entry));
        Ok(())
    }

    fn on_disk(&self) -> Result<Vec<(String, PathBuf)>> {
        let models: Vec<Vec<_>> = self.sources.iter().map(Source::models).collect::<Result<_>>()?;
        Ok(models.into_iter().flatten().collect())
    }

    fn update<R>(&self, f: impl FnOnce(&mut BTreeMap<String, Entry>) -> R) -> R {
        f(&mut self.entries.write().unwrap_or_else(|e| e.into_inner()))
    }

    fn read<R>(&self, f: impl FnOnce(&BTreeMap<String, Entry>) -> R) -> R {
        f(&self.entries.read().unwrap_or_else(|e| e.into_inner()))
    }

    fn one_at_a_time(&self) -> MutexGuard<'_, ()> {
        self.loading.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// The names of all models.
    pub fn names(&self) -> Vec<String> {
        self.read(|entries| entries.keys().cloned().collect())
    }

    /// The names of the models still to be loaded.
    pub fn unloaded(&self) -> Vec<String> {
        self.read(|entries| entries.iter().filter(|(_, entry)| entry.loading).map(|(name, _)| name.clone()).collect())
    }

    /// Whether no model is missing that should be there.
    pub fn is_ready(&self) -> bool {
        self.read(|entries| entries.values().all(|entry| !entry.loading || !entry.versions.is_empty()))
    }

    /// A version of a model; the highest, if none is named.
    ///
    /// # Errors
    /// 404 when there is none, 503 while it is loading.
    pub fn get(&self, name: &str, version: Option<&str>) -> Result<Arc<Serving>, Refusal> {
        self.read(|entries| {
            let Some(entry) = entries.get(name) else {
                let known: Vec<&str> = entries.keys().map(String::as_str).collect();
                let meant =
                    closest(name, &known).map_or("there".into(), |meant| format!("did you mean {meant:?}? There"));
                let name = name.chars().take(128).collect::<String>();
                return Err(Refusal::missing(format!("no model is called {name:?}; {meant} is {}", known.join(", "))));
            };
            let last = || entry.versions.last_key_value().map(|(_, serving)| serving);
            let found = match version {
                None => last(),
                Some(version) => version.parse().ok().and_then(|version: u64| entry.versions.get(&version)),
            };
            match (found, version) {
                (Some(serving), _) => Ok(serving.clone()),
                (None, Some(version)) if last().is_some() => {
                    let known: Vec<String> = entry.versions.keys().map(u64::to_string).collect();
                    let version = version.chars().take(32).collect::<String>();
                    let message = format!("model {name:?} has no version {version:?}; there is {}", known.join(", "));
                    Err(Refusal::missing(message))
                }
                _ if entry.loading => Err(Refusal::later(
                    StatusCode::SERVICE_UNAVAILABLE,
                    format!("model {name:?} is being loaded; try again in a second"),
                )),
                _ => {
                    let fix = format!("load it with POST /v2/repository/models/{name}/load");
                    Err(Refusal::missing(format!("model {name:?} is not loaded ({}); {fix}", entry.reason)))
                }
            }
        })
    }

    /// The versions of a model being served.
    pub fn versions(&self, name: &str) -> Vec<u64> {
        self.read(|entries| entries.get(name).map_or(Vec::new(), |entry| entry.versions.keys().copied().collect()))
    }

    /// Every model and version, also those that lie in the folders and were never loaded.
    pub fn index(&self) -> Vec<Line> {
        let on_disk = self.on_disk().unwrap_or_default();
        self.read(|entries| {
            let mut lines = Vec::new();
            for (name, entry) in entries {
                let state = if entry.loading { "LOADING" } else { "UNAVAILABLE" };
                if entry.versions.is_empty() {
                    let reason = entry.reason.clone();
                    lines.push(Line { name: name.clone(), version: String::new(), state, reason });
                }
                for version in entry.versions.keys() {
                    let (version, reason) = (version.to_string(), entry.reason.clone());
                    lines.push(Line { name: name.clone(), version, state: "READY", reason });
                }
            }
            let new = on_disk.into_iter().filter(|(name, _)| !entries.contains_key(name)).map(|(name, _)| Line {
                name,
                version: String::new(),
                state: "UNAVAILABLE",
                reason: "not loaded yet".into(),
            });
            lines.extend(new);
            lines
        })
    }

    /// Loads a model, or loads it again: all its versions beside the old ones, which are then replaced at once. When a file
    /// cannot be loaded, what was served before goes on being served, and [`index`](Repository::index) says why.
    ///
    /// # Errors
    /// When no model has this name, or a file of it cannot be loaded.
    pub fn load(&self, name: &str) -> Result<()> {
        let _alone = self.one_at_a_time();
        let Some((_, path)) = self.on_disk()?.into_iter().find(|(found, _)| found == name) else {
            let known = self.names();
            if known.iter().any(|known| known == name) {
                return Err(Error::invalid(format!("the model {name} has no file to load it from")));
            }
            return Err(Error::unknown("model", name, &known.iter().map(String::as_str).collect::<Vec<_>>()));
        };
        // Before reading: files that change meanwhile are seen as changed afterwards.
        let files = stamped(&path);
        self.update(|entries| {
            let entry = entries.entry(name.to_owned()).or_default();
            entry.loading = true;
            entry.files.clone_from(&files);
        });
        let outcome = match &files[..] {
            [] => Err(Error::file(&path, "holds no model any more")),
            files => {
                files.iter().map(|(version, file, _)| self.serve(name, *version, file)).collect::<Result<Vec<_>>>()
            }
        };
        self.update(|entries| {
            let entry = entries.entry(name.to_owned()).or_default();
            entry.loading = false;
            match &outcome {
                Ok(loaded) => {
                    entry.versions = loaded.iter().map(|serving| (serving.version, serving.clone())).collect();
                    entry.reason.clear();
                }
                Err(error) if entry.versions.is_empty() => entry.reason = error.to_string(),
                Err(error) => entry.reason = format!("an earlier load goes on being served: {error}"),
            }
        });
        outcome.map(drop)
    }

    fn serve(&self, name: &str, version: u64, file: &Path) -> Result<Arc<Serving>> {
        let model = open(file, self.rounding)?;
        let batcher = Batcher::start(name, model.clone(), self.batching, self.metrics.clone())?;
        Ok(Arc::new(Serving { name: name.to_owned(), version, model, batcher }))
    }

    /// Takes a model away; requests that have it are still answered.
    ///
    /// # Errors
    /// When no model has this name.
    pub fn unload(&self, name: &str) -> Result<()> {
        let _alone = self.one_at_a_time();
        self.update(|entries| match entries.get_mut(name) {
            Some(entry) => {
                *entry = Entry { reason: "it was unloaded".into(), ..Entry::default() };
                Ok(())
            }
            None => {
                let known: Vec<&str> = entries.keys().map(String::as_str).collect();
                Err(Error::unknown("model", name, &known))
            }
        })
    }

    /// The models in use whose files are others than when they were last loaded.
    pub fn changed(&self) -> Vec<String> {
        let on_disk = self.on_disk().unwrap_or_default();
        let in_use = self.read(|entries| {
            let in_use = entries.iter().filter(|(_, entry)| !entry.files.is_empty() && !entry.loading);
            in_use.map(|(name, entry)| (name.clone(), entry.files.clone())).collect::<BTreeMap<_, _>>()
        });
        let differs = |(name, path): &(String, PathBuf)| in_use.get(name).is_some_and(|files| *files != stamped(path));
        on_disk.into_iter().filter(differs).map(|(name, _)| name).collect()
    }

    /// Every version being served.
    pub fn served(&self) -> Vec<Served> {
        let about = |serving: &Arc<Serving>| Served {
            model: serving.name.clone(),
            version: serving.version,
            waiting: serving.batcher.waiting(),
        };
        self.read(|entries| entries.values().flat_map(|entry| entry.versions.values()).map(about).collect())
    }
}

/// The files of a model's versions, as they are now.
fn stamped(path: &Path) -> Vec<(u64, PathBuf, Stamp)> {
    let files = source::versions(path).unwrap_or_default();
    files.into_iter().map(|(version, file)| (version, file.clone(), Stamp::of(&file))).collect()
}
