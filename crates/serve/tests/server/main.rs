//! The server as clients meet it: over a real socket.

mod client;
#[cfg(feature = "grpc")]
mod grpc;
mod hostile;
mod inference;
mod limits;
mod models;
mod stopping;

use client::Client;
use hadal_serve::{Options, Server, Stopper};
use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;

/// A server on a port of its own, stopped at the end of the test.
struct Running {
    address: SocketAddr,
    stopper: Stopper,
    thread: Option<JoinHandle<hadal::Result<()>>>,
}

/// Options for tests: a free port, and no log.
fn options(models: &[&str]) -> Options {
    Options { port: 0, access_log: false, ..Options::new(models.iter().copied()) }
}

/// Starts a server and waits until its models are loaded.
fn start(server: Server) -> Running {
    let (address, stopper) = (server.address(), server.stopper());
    let running = Running { address, stopper, thread: Some(std::thread::spawn(|| server.run())) };
    while running.client().get("/v2/health/ready").status != 200 {
        std::thread::sleep(Duration::from_millis(2));
    }
    running
}

impl Running {
    fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// Asks it to stop and waits until it has.
    fn stop(mut self) -> hadal::Result<()> {
        self.stopper.stop();
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stopper.stop();
        if let Some(thread) = self.thread.take() {
            let outcome = thread.join();
            if !std::thread::panicking() {
                outcome.unwrap().unwrap();
            }
        }
    }
}
