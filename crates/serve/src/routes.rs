//! The table of paths: what can be asked for.

use crate::refusal::Refusal;
use hyper::header::ALLOW;
use hyper::{Method, StatusCode};

/// What a path does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Operation {
    Page,
    OpenApi,
    Metrics,
    Live,
    Ready,
    Server,
    Model,
    ModelReady,
    ModelConfig,
    Infer,
    Classify,
    Predict,
    Index,
    Load,
    Unload,
}

use Operation::*;

/// Methods, paths and operations. `{model}` and `{version}` stand for any name.
pub const ROUTES: [(Method, &str, Operation); 22] = [
    (Method::GET, "/", Page),
    (Method::GET, "/openapi.json", OpenApi),
    (Method::GET, "/metrics", Metrics),
    (Method::GET, "/v2/health/live", Live),
    (Method::GET, "/v2/health/ready", Ready),
    (Method::GET, "/v2", Server),
    (Method::GET, "/v2/models/{model}", Model),
    (Method::GET, "/v2/models/{model}/ready", ModelReady),
    (Method::GET, "/v2/models/{model}/config", ModelConfig),
    (Method::POST, "/v2/models/{model}/infer", Infer),
    (Method::POST, "/v2/models/{model}/classify", Classify),
    (Method::GET, "/v2/models/{model}/versions/{version}", Model),
    (Method::GET, "/v2/models/{model}/versions/{version}/ready", ModelReady),
    (Method::GET, "/v2/models/{model}/versions/{version}/config", ModelConfig),
    (Method::POST, "/v2/models/{model}/versions/{version}/infer", Infer),
    (Method::POST, "/v2/models/{model}/versions/{version}/classify", Classify),
    (Method::POST, "/v2/repository/index", Index),
    (Method::POST, "/v2/repository/models/{model}/load", Load),
    (Method::POST, "/v2/repository/models/{model}/unload", Unload),
    // TorchServe's names for the same, which its clients and probes know.
    (Method::GET, "/ping", Ready),
    (Method::POST, "/predictions/{model}", Classify),
    // And TensorFlow Serving's.
    (Method::POST, "/v1/models/{model}:predict", Predict),
];

impl Operation {
    /// Whether it needs no token: a probe, or the page that asks for one.
    pub fn is_open(self) -> bool {
        matches!(self, Page | Live | Ready)
    }
}

/// A path that was understood.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route<'a> {
    /// What to do.
    pub operation: Operation,
    /// The model in the path.
    pub model: Option<&'a str>,
    /// The version in the path.
    pub version: Option<&'a str>,
}

/// Finds what a path means.
///
/// # Errors
/// 404 when it means nothing, 405 when it does with another method.
pub fn find<'a>(method: &Method, path: &'a str) -> Result<Route<'a>, Refusal> {
    let mut allowed = Vec::new();
    for (wanted, template, operation) in &ROUTES {
        if let Some((model, version)) = matching(template, path) {
            if wanted == method || (*method == Method::HEAD && *wanted == Method::GET) {
                return Ok(Route { operation: *operation, model, version });
            }
            allowed.push(wanted.as_str());
        }
    }
    let path: String = path.chars().take(200).collect();
    match &allowed[..] {
        [] => Err(Refusal::missing(format!("there is nothing at {path}; GET /openapi.json lists what there is"))),
        allowed => {
            let message = format!("{path} does not take {method}, but {}", allowed.join(", "));
            Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, message).with(ALLOW, allowed.join(", ")))
        }
    }
}

/// The model and version in a path that has the form of `template`. A slash at the end is ignored.
#[allow(clippy::type_complexity)]
fn matching<'a>(template: &str, path: &'a str) -> Option<(Option<&'a str>, Option<&'a str>)> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let mut parts = path.split('/');
    let (mut model, mut version) = (None, None);
    for wanted in template.strip_suffix('/').unwrap_or(template).split('/') {
        let part = parts.next()?;
        match wanted {
            "{version}" => version = Some(part),
            _ if wanted.starts_with("{model}") => model = Some(part.strip_suffix(&wanted["{model}".len()..])?),
            _ if wanted == part => {}
            _ => return None,
        }
    }
    parts.next().is_none().then_some((model, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_methods() {
        let get = |path| find(&Method::GET, path).map(|route| (route.operation, route.model, route.version));
        assert_eq!(get("/"), Ok((Page, None, None)));
        assert_eq!(get("/v2/"), Ok((Server, None, None)));
        assert_eq!(get("/v2/models/a"), Ok((Model, Some("a"), None)));
        assert_eq!(get("/v2/models/a/versions/3/ready"), Ok((ModelReady, Some("a"), Some("3"))));
        let predict = find(&Method::POST, "/v1/models/a:predict").unwrap();
        assert_eq!((predict.operation, predict.model), (Predict, Some("a")));
        let missing = get("/v2/model/a").unwrap_err();
        assert_eq!(missing.status, StatusCode::NOT_FOUND);
        let wrong = get("/v2/models/a/infer").unwrap_err();
        assert_eq!(wrong.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(wrong.message, "/v2/models/a/infer does not take GET, but POST");
        assert!(get("/v2/models//ready/x").is_err());
    }

    #[test]
    fn the_openapi_document_lists_every_route_and_nothing_else() {
        let document: serde_json::Value = serde_json::from_str(include_str!("openapi.json")).unwrap();
        let mut documented = Vec::new();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap().iter().filter(|(key, _)| *key != "parameters") {
                documented.push(format!("{} {path}", method.to_uppercase()));
                assert!(operation["summary"].is_string() && operation["responses"].is_object(), "{method} {path}");
                let named = path.matches('{').count();
                let listed = operations["parameters"].as_array().map_or(0, Vec::len);
                assert_eq!(listed, named, "parameters of {path}");
            }
        }
        let mut routes: Vec<String> = ROUTES.iter().map(|(method, path, _)| format!("{method} {path}")).collect();
        for change in ["load", "unload"] {
            let responses =
                &document["paths"][format!("/v2/repository/models/{{model}}/{change}")]["post"]["responses"];
            assert!(responses["403"].is_object(), "{change}: {responses}");
        }
        documented.sort();
        routes.sort();
        assert_eq!(documented, routes);
        // Every reference leads somewhere.
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"#").skip(1) {
            let pointer = reference.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
    }
}
