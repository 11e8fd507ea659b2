//! The callbacks that come with Hadal, under Keras' names.

mod csv_logger;
mod early_stopping;
mod lambda;
mod learning_rate;
mod model_checkpoint;
mod monitor;
mod progress_bar;
mod terminate_on_nan;

pub use csv_logger::CsvLogger;
pub use early_stopping::EarlyStopping;
pub use lambda::OnEpochEnd;
pub use learning_rate::{LearningRateScheduler, ReduceLrOnPlateau};
pub use model_checkpoint::ModelCheckpoint;
pub use monitor::Better;
pub use progress_bar::ProgressBar;
pub use terminate_on_nan::TerminateOnNan;
