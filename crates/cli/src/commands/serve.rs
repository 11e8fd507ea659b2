//! `hadal serve`: trained models over HTTP.

use crate::args::Serve as Arguments;
use crate::console::say;
use hadal::{Error, Result};
use hadal_serve::{Batching, Limits, Options, Rounding, Server};
use std::path::Path;

/// The variable that holds the token where no file does.
const TOKEN: &str = "HADAL_TOKEN";

/// Serves until Ctrl-C or SIGTERM, then finishes what it has accepted.
pub fn run(arguments: Arguments) -> Result<()> {
    let server = Server::bind(Options {
        models: arguments.models,
        host: arguments.host,
        port: arguments.port,
        grpc_port: arguments.grpc_port,
        rounding: if arguments.exact { Rounding::Exact } else { Rounding::Inference },
        batching: Batching { max_batch: arguments.max_batch, delay: arguments.batch_delay, queue: arguments.queue },
        limits: Limits {
            body: arguments.max_body,
            memory: arguments.max_memory,
            connections: arguments.max_connections,
            answer_time: arguments.timeout,
            body_time: arguments.body_timeout,
            drain_time: arguments.drain,
            ..Limits::default()
        },
        token: token(arguments.token_file.as_deref())?,
        tls: arguments.tls_cert.zip(arguments.tls_key),
        watch: arguments.watch,
        access_log: !arguments.no_access_log,
    })?;
    let grpc = server.grpc_url().map_or(String::new(), |url| format!(" and {url}"));
    say!("listening on {}{grpc}; Ctrl-C stops", server.url());
    server.run_until_signal()
}

/// The token in a file, or in the environment.
fn token(file: Option<&Path>) -> Result<Option<String>> {
    let (text, place) = match file {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|e| Error::file(path, format!("cannot be read: {e}")))?;
            (text, path.display().to_string())
        }
        None => match std::env::var(TOKEN) {
            Ok(text) => (text, format!("the variable {TOKEN}")),
            Err(_) => return Ok(None),
        },
    };
    match text.trim() {
        "" => Err(Error::invalid(format!("{place} holds no token: it is empty"))),
        token => Ok(Some(token.to_owned())),
    }
}
