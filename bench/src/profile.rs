//! `--profile`: where the time of a workload's steps goes.

use crate::workloads::{Measure, Workload};
use std::error::Error;
use std::path::Path;
use std::time::Instant;

/// Seconds of steps that are profiled.
const SECONDS: f64 = 1.0;

/// Prints the profile of a workload, compiled if it can be and is to be, and writes its timeline into a folder if one is given.
pub fn profile(workload: &Workload, compiled: bool, folder: Option<&Path>) -> Result<(), Box<dyn Error>> {
    if workload.measure == Measure::ColdStart {
        return Err("a cold start cannot be profiled from within".into());
    }
    let compiled = if compiled { workload.prepare_compiled() } else { None };
    let mut step = compiled.unwrap_or_else(|| workload.prepare());
    (0..3).for_each(|_| step());
    let begin = Instant::now();
    (0..3).for_each(|_| step());
    let steps = (SECONDS * 3.0 / begin.elapsed().as_secs_f64()).ceil().clamp(3.0, 2000.0) as usize;
    let ((), profile) = hadal::profile(|| (0..steps).for_each(|_| step()));
    println!("\n{} ({}), {steps} steps: {}", workload.name, workload.about, profile.table());
    if let Some(folder) = folder {
        std::fs::create_dir_all(folder)?;
        let file = folder.join(&workload.name).with_extension("json");
        std::fs::write(&file, profile.chrome_trace())?;
        println!("wrote {}", file.display());
    }
    Ok(())
}
