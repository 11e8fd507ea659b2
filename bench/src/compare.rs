//! The interleaved comparison: the frameworks take turns, a block of steps each, and the ratio is taken within each turn.

use crate::peer::Runner;
use crate::quiet::Patience;
use crate::spread::Spread;
use std::error::Error;
use std::time::Duration;

/// How a workload is measured.
pub struct Plan {
    /// Turns of an attempt.
    pub rounds: usize,
    /// Seconds of one block of steps.
    pub block: f64,
    /// When the blocks of an attempt disagree, it is made again, at most so often.
    pub attempts: usize,
    /// Seconds that a workload may wait for a quiet machine.
    pub patience: f64,
}

/// What one framework took, turn by turn, in the attempt that counts.
pub struct Measured {
    pub peer: String,
    /// The framework with its version.
    pub versions: String,
    /// Of a step.
    pub seconds: Vec<f64>,
    /// Steps of a block.
    pub steps: usize,
    /// Peak memory in MiB, of those whose every step is a process.
    pub memory: Vec<f64>,
    /// Median seconds of all attempts.
    pub attempts: Vec<f64>,
    /// Whether the machine was quiet before every turn.
    pub quiet: bool,
}

/// The threads of the framework before may still be spinning so long.
const SETTLE: Duration = Duration::from_millis(250);

/// Measures all of them but those whose first steps fail; the attempt with the least sum of medians counts.
pub fn measure(mut runners: Vec<Box<dyn Runner>>, plan: &Plan) -> Result<Vec<Measured>, Box<dyn Error>> {
    let mut patience = Patience::seconds(plan.patience);
    let mut steps = Vec::new();
    runners.retain_mut(|runner| match steps_of_block(&mut **runner, plan) {
        Ok(count) => {
            steps.push(count);
            true
        }
        Err(reason) => {
            eprintln!("{} failed: {reason}", runner.name());
            false
        }
    });
    if runners.first().is_none_or(|runner| runner.name() != "hadal") {
        return Err("there is nothing to compare with".into());
    }
    let mut best: Option<(f64, Vec<Measured>)> = None;
    let mut medians: Vec<Vec<f64>> = vec![Vec::new(); runners.len()];
    for _ in 0..plan.attempts {
        let measured = attempt(&mut runners, &steps, plan.rounds, &mut patience)?;
        let spreads: Vec<Spread> = measured.iter().map(|one| Spread::of(one.seconds.iter().copied())).collect();
        medians.iter_mut().zip(&spreads).for_each(|(medians, spread)| medians.push(spread.median));
        let sum = spreads.iter().map(|spread| spread.median).sum();
        if best.as_ref().is_none_or(|(least, _)| sum < *least) {
            best = Some((sum, measured));
        }
        if !spreads.iter().any(Spread::is_noisy) {
            break;
        }
    }
    let mut measured = best.ok_or("no attempt was asked for")?.1;
    measured.iter_mut().zip(medians).for_each(|(one, medians)| one.attempts = medians);
    Ok(measured)
}

/// Steps that fill a block, after some that warm up.
fn steps_of_block(runner: &mut dyn Runner, plan: &Plan) -> Result<usize, Box<dyn Error>> {
    if runner.is_a_process_each() {
        runner.run(1)?; // fills the page cache
        return Ok(1);
    }
    runner.run(3)?;
    let seconds = runner.run(3)? / 3.0;
    Ok((plan.block / seconds).ceil().clamp(1.0, 1e6) as usize)
}

fn attempt(
    runners: &mut [Box<dyn Runner>],
    steps: &[usize],
    rounds: usize,
    patience: &mut Patience,
) -> Result<Vec<Measured>, Box<dyn Error>> {
    let begun = runners.iter_mut().zip(steps).map(|(runner, &steps)| {
        runner.memory(); // forgets what was before
        let (peer, versions) = (runner.name(), runner.versions());
        let (seconds, memory, attempts) = (Vec::new(), Vec::new(), Vec::new());
        Measured { peer, versions, seconds, steps, memory, attempts, quiet: true }
    });
    let mut measured: Vec<Measured> = begun.collect();
    for _ in 0..rounds {
        std::thread::sleep(SETTLE);
        let quiet = patience.wait();
        for (runner, measured) in runners.iter_mut().zip(&mut measured) {
            std::thread::sleep(SETTLE);
            if !runner.is_a_process_each() {
                runner.run(measured.steps.div_ceil(10))?;
            }
            measured.seconds.push(runner.run(measured.steps)? / measured.steps as f64);
            measured.quiet &= quiet;
        }
    }
    measured.iter_mut().zip(runners).for_each(|(one, runner)| one.memory = runner.memory());
    Ok(measured)
}
