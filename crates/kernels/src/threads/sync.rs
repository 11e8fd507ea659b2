//! What the fork-join protocol needs from the operating system. The model checker's test gives it loom's instead.

pub(super) use std::sync::atomic::{AtomicU32, AtomicUsize};
pub(super) use std::sync::{Arc, Mutex};
pub(super) use std::thread::{JoinHandle, Thread, current, park};

use std::time::{Duration, Instant};

/// How long an idle thread looks for work before it gives its core away.
///
/// Waking a parked thread costs 5 to 18 µs; inside a training step the gap between two forks is mostly below 50 µs.
/// The bound keeps two programs on one machine from losing to each other's waiting.
pub const SPIN: Duration = Duration::from_micros(50);

/// `std::cell::UnsafeCell` with the access functions of loom's, which can check them.
pub(super) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    pub(super) fn new(value: T) -> Self {
        UnsafeCell(std::cell::UnsafeCell::new(value))
    }

    pub(super) fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
        read(self.0.get())
    }

    pub(super) fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
        write(self.0.get())
    }
}

/// Looks at `ready` for a while; says whether it became true.
pub(super) fn spin(ready: impl Fn() -> bool, may_spin: bool) -> bool {
    if ready() {
        return true;
    }
    if !may_spin || cfg!(miri) {
        return false;
    }
    let start = Instant::now();
    loop {
        for _ in 0..64 {
            std::hint::spin_loop();
            if ready() {
                return true;
            }
        }
        if start.elapsed() > SPIN {
            return false;
        }
    }
}

pub(super) fn spawn(index: usize, body: impl FnOnce() + Send + 'static) -> Option<JoinHandle<()>> {
    std::thread::Builder::new().name(format!("hadal-{index}")).spawn(body).ok()
}
