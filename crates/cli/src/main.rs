//! The `hadal` command line: train, evaluate, predict, serve, and look around.

mod args;
mod commands;
mod console;
mod in_units;
mod recipe;
mod source;

use args::{Args, Command};
use clap::Parser;
use console::note;
use hadal::train::Ending;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(threads) = args.threads {
        hadal::set_threads(threads);
    }
    let outcome = match args.command {
        Command::Train(options) => commands::train::run(options),
        Command::Evaluate(options) => commands::evaluate::run(options).map(|()| Ending::Finished),
        Command::Predict(options) => commands::predict::run(options).map(|()| Ending::Finished),
        #[cfg(feature = "serve")]
        Command::Serve(options) => commands::serve::run(options).map(|()| Ending::Finished),
        Command::Summary(options) => commands::summary::run(options).map(|()| Ending::Finished),
        Command::Compress(options) => commands::compress::run(options).map(|()| Ending::Finished),
        Command::Export(options) => commands::export::run(options).map(|()| Ending::Finished),
        Command::Graph(options) => commands::graph::run(options).map(|()| Ending::Finished),
        Command::Datasets => commands::list::datasets().map(|()| Ending::Finished),
        Command::Models => commands::list::models().map(|()| Ending::Finished),
        Command::Doctor => commands::doctor::run().map(|()| Ending::Finished),
    };
    match outcome {
        // As shells report a program that SIGINT (2) ended: 128 + 2.
        Ok(Ending::Interrupted) => ExitCode::from(130),
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            note!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
