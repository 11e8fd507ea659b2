//! The progress bar of `fit`, in Keras' form.
//!
//! On a terminal the line is redrawn with an ETA; in a pipe each epoch prints one line when it ends.

use crate::callback::{Callback, State};
use hadal_core::Result;
use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

const WIDTH: usize = 20;
const REDRAW: Duration = Duration::from_millis(50);

/// Prints `Epoch 1/10` and `375/375 ━━━━━━━━━━━━━━━━━━━━ 2s 5ms/step - accuracy: 0.9 - loss: 0.3` to the standard error.
pub struct ProgressBar {
    live: bool,
    colour: bool,
    begun: Instant,
    drawn: Option<Instant>,
}

impl ProgressBar {
    /// Live on a terminal; colour unless `NO_COLOR` is set.
    pub fn new() -> ProgressBar {
        let live = stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let colour = live && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        ProgressBar { live, colour, begun: Instant::now(), drawn: None }
    }

    fn line(&self, state: &State, elapsed: Duration) -> String {
        let (done, all) = (state.batch, state.batches);
        let per_step = elapsed.as_secs_f64() / done.max(1) as f64;
        let time = if done < all { per_step * all.saturating_sub(done) as f64 } else { elapsed.as_secs_f64() };
        let filled = (WIDTH * done).checked_div(all).unwrap_or(WIDTH);
        let (bar, rest) = ("━".repeat(filled), "━".repeat(WIDTH - filled));
        let count = format!("{done:>0$}/{all}", all.to_string().len());
        let bar = match self.colour {
            true => format!("\x1b[1m{count}\x1b[0m \x1b[32m{bar}\x1b[0m\x1b[37m{rest}\x1b[0m"),
            false if done < all => format!("{count} {}", "━".repeat(filled) + &" ".repeat(WIDTH - filled)),
            false => format!("{count} {bar}"),
        };
        format!("{bar} {} {}/step - {}", duration(time), short(per_step), state.logs.line())
    }

    fn draw(&mut self, state: &State, end: &str) {
        let elapsed = self.begun.elapsed();
        let line = self.line(state, elapsed);
        let start = if self.live { "\r\x1b[2K" } else { "" };
        let _ = write!(stderr(), "{start}{line}{end}").and_then(|()| stderr().flush());
        self.drawn = Some(Instant::now());
    }
}

impl Default for ProgressBar {
    fn default() -> ProgressBar {
        ProgressBar::new()
    }
}

/// `7s`, `2:05`, `1:02:03`.
fn duration(seconds: f64) -> String {
    let s = seconds.round() as u64;
    match (s / 3600, s / 60 % 60, s % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}:{s:02}"),
        (h, m, s) => format!("{h}:{m:02}:{s:02}"),
    }
}

/// `2s`, `5ms`, `80us`, as Keras writes the time of a step.
fn short(seconds: f64) -> String {
    match seconds {
        s if s >= 1.0 || s == 0.0 => format!("{s:.0}s"),
        s if s >= 1e-3 => format!("{:.0}ms", s * 1e3),
        s => format!("{:.0}us", s * 1e6),
    }
}

impl Callback for ProgressBar {
    fn on_epoch_begin(&mut self, state: &mut State) -> Result<()> {
        // Whether anybody reads it is not the run's concern.
        let _ = writeln!(stderr(), "Epoch {}/{}", state.epoch + 1, state.epochs);
        (self.begun, self.drawn) = (Instant::now(), None);
        Ok(())
    }

    fn on_train_batch_end(&mut self, state: &mut State) -> Result<()> {
        if self.live && self.drawn.is_none_or(|t| t.elapsed() >= REDRAW) {
            self.draw(state, "");
        }
        Ok(())
    }

    fn on_epoch_end(&mut self, state: &mut State) -> Result<()> {
        self.draw(state, "\n");
        Ok(())
    }

    fn on_train_end(&mut self, state: &mut State) -> Result<()> {
        if let Some(reason) = &state.stop {
            let _ = writeln!(stderr(), "{reason}");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Logs;
    use hadal_core::ModuleExt;
    use hadal_nn::layers::Linear;
    use hadal_nn::optim::{Rule, Sgd};

    #[test]
    fn times_read_as_in_keras() {
        assert_eq!([duration(9.4), duration(125.0), duration(3723.0)], ["9s", "2:05", "1:02:03"]);
        assert_eq!([short(2.2), short(0.005), short(8e-5)], ["2s", "5ms", "80us"]);
    }

    #[test]
    fn without_colour_a_line_is_plain_text() {
        let (model, mut logs, mut stop) = (Linear::new(1, 1), Logs::default(), None);
        logs.set("loss", 0.5);
        let optimizer = Sgd::new(0.1).optimize(model.parameters());
        let state = State {
            model: &model,
            optimizer: &optimizer,
            epoch: 0,
            epochs: 1,
            batch: 5,
            batches: 10,
            logs: &mut logs,
            stop: &mut stop,
        };
        let line = |colour| {
            let bar = ProgressBar { live: true, colour, begun: Instant::now(), drawn: None };
            bar.line(&state, Duration::from_millis(1000))
        };
        assert_eq!(line(false), " 5/10 ━━━━━━━━━━           1s 200ms/step - loss: 0.5000");
        assert!(line(true).contains("\x1b[32m"));
    }
}
