//! The `hadal` command line: train, evaluate, predict, and look around.

mod args;
mod commands;
mod preprocessing;
mod recipe;
mod source;
mod trained;

use args::{Args, Command};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(threads) = args.threads {
        hadal::set_threads(threads.get());
    }
    let outcome = match args.command {
        Command::Train(options) => commands::train::run(options),
        Command::Evaluate(options) => commands::evaluate::run(options),
        Command::Predict(options) => commands::predict::run(options),
        Command::Summary(options) => commands::summary::run(options),
        Command::Datasets => commands::list::datasets(),
        Command::Models => commands::list::models(),
        Command::Doctor => commands::doctor::run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
