//! What clients are told about a model.

use crate::servable::{Form, Port, Signature};
use serde_json::{Value, json};

/// The metadata of a model.
pub fn metadata(name: &str, versions: &[u64], signature: &Signature) -> Value {
    let form = |form: &Form| json!({ "datatype": form.datatype.name(), "shape": form.dims() });
    let port = |port: &Port| {
        let mut about = form(&port.forms[0]);
        about["name"] = json!(port.name);
        if port.forms.len() > 1 {
            about["parameters"] = json!({ "also": port.forms[1..].iter().map(form).collect::<Vec<_>>() });
        }
        about
    };
    let versions: Vec<String> = versions.iter().map(u64::to_string).collect();
    json!({
        "name": name,
        "versions": versions,
        "platform": signature.platform,
        "inputs": signature.inputs.iter().map(port).collect::<Vec<_>>(),
        "outputs": signature.outputs.iter().map(port).collect::<Vec<_>>(),
        "parameters": { "labels": signature.labels, "images": signature.takes_images },
    })
}

/// The configuration as Triton's clients know it: shapes without the axis of the samples.
pub fn config(name: &str, max_batch: usize, signature: &Signature) -> Value {
    let port = |port: &Port| {
        let form = &port.forms[0];
        let dims: Vec<i64> = form.dims().into_iter().skip(usize::from(signature.batched)).collect();
        let datatype = match form.datatype.name() {
            "BYTES" => "STRING",
            name => name,
        };
        json!({ "name": port.name, "data_type": format!("TYPE_{datatype}"), "dims": dims })
    };
    json!({
        "name": name,
        "platform": signature.platform,
        "max_batch_size": if signature.batched { max_batch } else { 0 },
        "input": signature.inputs.iter().map(port).collect::<Vec<_>>(),
        "output": signature.outputs.iter().map(port).collect::<Vec<_>>(),
    })
}
