//! The access log: one JSON object per request on standard error.
//!
//! Lines are written by a thread of their own. When whoever reads them is slower than the requests, lines are dropped and
//! counted, for a server must not wait for its log.

use serde_json::{Value, json};
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Lines that may wait to be written.
const WAITING: usize = 4096;

/// Where requests are reported.
pub struct AccessLog {
    lines: Option<SyncSender<Entry>>,
    dropped: AtomicU64,
}

enum Entry {
    Line(Value),
    /// Answered when all lines before it are written.
    Flush(Sender<()>),
}

impl AccessLog {
    /// A log that writes to `out`.
    pub fn to(mut out: impl Write + Send + 'static) -> AccessLog {
        let (lines, waiting) = sync_channel(WAITING);
        let write = move || {
            for entry in waiting {
                match entry {
                    // Nobody reads it any more: that is no reason to stop serving.
                    Entry::Line(line) => drop(writeln!(out, "{line}")),
                    Entry::Flush(done) => drop(done.send(())),
                }
            }
        };
        let started = std::thread::Builder::new().name("hadal-log".into()).spawn(write).is_ok();
        AccessLog { lines: started.then_some(lines), dropped: AtomicU64::new(0) }
    }

    /// A log that keeps nothing.
    pub fn off() -> AccessLog {
        AccessLog { lines: None, dropped: AtomicU64::new(0) }
    }

    /// Whether it keeps anything.
    pub fn is_on(&self) -> bool {
        self.lines.is_some()
    }

    /// Reports something, with the time as its first field.
    pub fn write(&self, fields: &[(&str, Value)]) {
        let Some(lines) = &self.lines else { return };
        let mut line = json!({ "time": timestamp(SystemTime::now()) });
        fields.iter().for_each(|(name, value)| line[*name] = value.clone());
        let dropped = self.dropped.swap(0, Relaxed);
        if dropped > 0 {
            line["lines_dropped"] = json!(dropped);
        }
        if lines.try_send(Entry::Line(line)).is_err() {
            self.dropped.fetch_add(dropped + 1, Relaxed);
        }
    }

    /// Waits, but not for long, until everything reported so far is written.
    pub fn flush(&self) {
        let (done, written) = channel();
        if self.lines.as_ref().is_some_and(|lines| lines.try_send(Entry::Flush(done)).is_ok()) {
            let _ = written.recv_timeout(Duration::from_secs(1));
        }
    }
}

/// A time as RFC 3339 writes it: `2026-11-26T11:39:27.123Z`.
fn timestamp(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    // From days to a date in the Gregorian calendar, in years that begin in March:
    // Howard Hinnant, "chrono-compatible low-level date algorithms", civil_from_days.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}.{:03}Z", second % 60, since.subsec_millis())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[test]
    fn times() {
        let at = |ms| timestamp(UNIX_EPOCH + Duration::from_millis(ms));
        // `date -u -d @N`.
        assert_eq!(at(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(at(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(at(1_795_693_167_123), "2026-11-26T11:39:27.123Z");
        assert_eq!(at(4_107_542_399_999), "2100-02-28T23:59:59.999Z");
    }

    /// A file in memory that others can look into.
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_json() {
        let out = Shared::default();
        let log = AccessLog::to(out.clone());
        log.write(&[("path", json!("/v2/\"\n")), ("status", json!(200))]);
        log.flush();
        let text = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
        let line: Value = serde_json::from_str(text.trim_end()).unwrap();
        assert_eq!((line["path"].as_str(), line["status"].as_u64()), (Some("/v2/\"\n"), Some(200)));
        AccessLog::off().flush();
    }
}
