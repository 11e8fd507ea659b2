//! Is the machine quiet? Two threads that spin for a moment count the time in which they did not run.
//!
//! The host of a virtual machine now and then takes its cores for seconds without a word, and a measurement made
//! meanwhile is worth nothing.

use std::time::{Duration, Instant};

/// Percent of the time lost beyond which the machine is not quiet.
const QUIET: f64 = 3.0;
/// A spinning thread that sees a longer gap was not running.
const GAP: Duration = Duration::from_micros(50);

/// Percent of the time that the worse of two spinning threads did not run (of one, where there is one core).
fn lost(time: Duration) -> f64 {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get()).min(2);
    let spin = || {
        let begin = Instant::now();
        let (mut last, mut lost) = (begin, Duration::ZERO);
        while last - begin < time {
            let now = Instant::now();
            if now - last > GAP {
                lost += now - last;
            }
            last = now;
        }
        100.0 * lost.as_secs_f64() / time.as_secs_f64()
    };
    std::thread::scope(|scope| {
        let spinning: Vec<_> = (0..threads).map(|_| scope.spawn(spin)).collect();
        spinning.into_iter().map(|thread| thread.join().expect("spinning cannot fail")).fold(0.0, f64::max)
    })
}

/// How long measurements may still wait for a quiet machine.
pub struct Patience(Duration);

impl Patience {
    pub fn seconds(seconds: f64) -> Patience {
        Patience(Duration::from_secs_f64(seconds))
    }

    /// Waits until the machine is quiet; false if patience ran out first.
    pub fn wait(&mut self) -> bool {
        loop {
            let begin = Instant::now();
            if lost(Duration::from_millis(100)) <= QUIET {
                return true;
            }
            std::thread::sleep(Duration::from_millis(500).min(self.0));
            self.0 = self.0.saturating_sub(begin.elapsed());
            if self.0.is_zero() {
                return false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_is_a_share_and_patience_ends() {
        let share = lost(Duration::from_millis(20));
        assert!((0.0..=200.0).contains(&share), "{share}");
        let begin = Instant::now();
        Patience::seconds(0.0).wait();
        assert!(begin.elapsed() < Duration::from_secs(5));
    }
}
