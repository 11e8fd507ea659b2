//! A profile in the trace-event format ("Trace Event Format", Google, 2016): complete events (`"X"`) with times in
//! microseconds, and the threads' names as metadata (`"M"`).

use super::{Profile, Span, What};
use serde_json::{Value, json};

pub(super) fn trace(profile: &Profile) -> String {
    let mut text = String::from("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n");
    let mut first = true;
    let mut push = |event: Value| {
        text.push_str(if first { "" } else { ",\n" });
        first = false;
        text.push_str(&event.to_string());
    };
    for (thread, track) in profile.tracks.iter().enumerate() {
        push(json!({ "ph": "M", "pid": 1, "tid": thread, "name": "thread_name", "args": { "name": track.thread } }));
        track.spans.iter().for_each(|span| push(event(thread, span)));
    }
    text.push_str("\n]}\n");
    text
}

fn event(thread: usize, span: &Span) -> Value {
    let microseconds = |time: std::time::Duration| time.as_nanos() as f64 / 1e3;
    let name = match span.what {
        What::Gradient => format!("{} backward", span.name),
        _ if span.detail.is_empty() => span.name.to_string(),
        What::Module => format!("{} ({})", span.name, span.detail),
        _ => format!("{} {}", span.name, span.detail),
    };
    let category = format!("{:?}", span.what).to_lowercase();
    let mut about = serde_json::Map::new();
    if let Some(module) = span.module.as_deref().filter(|_| span.what != What::Module) {
        about.insert("module".into(), module.into());
    }
    if span.what == What::Op {
        let inputs: Vec<String> = span.inputs.iter().map(|meta| format!("{} {}", meta.dtype, meta.shape)).collect();
        about.insert("inputs".into(), inputs.into());
        about.insert("flops".into(), span.flops.into());
        about.insert("bytes".into(), span.bytes.into());
    }
    if span.allocated > 0 {
        about.insert("allocated".into(), span.allocated.into());
    }
    json!({
        "ph": "X", "pid": 1, "tid": thread, "name": name, "cat": category,
        "ts": microseconds(span.start), "dur": microseconds(span.duration), "args": about,
    })
}
