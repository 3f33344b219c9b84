//! `GET /openapi.json`: what this server answers, for programs and people.
//!
//! `openapi.json` is written by hand and has what is special about each operation; what all share
//! (too long, too often, not signed, ...) is added here. Tests hold it to the router.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::error::ApiError;
use super::{App, ServerMode};

const TEXT: &str = include_str!("openapi.json");

/// Where an operation of a path stands, beside the path's own parameters.
const METHODS: [&str; 4] = ["get", "post", "put", "delete"];

pub(super) async fn show(State(app): State<Arc<App>>) -> Result<Response, ApiError> {
    let document = document(app.mode).map_err(|error| {
        tracing::error!(%error, "openapi.json is broken");
        ApiError::internal("internal error")
    })?;
    let json = [(header::CONTENT_TYPE, "application/json")];
    Ok((json, document.to_string()).into_response())
}

/// The document as it is true for a mode.
fn document(mode: ServerMode) -> Result<Value, serde_json::Error> {
    let mut document: Value = serde_json::from_str(TEXT)?;
    let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) else {
        return Ok(document);
    };
    for (name, path) in paths.iter_mut() {
        let has_values = name.contains('{');
        let Some(path) = path.as_object_mut() else {
            continue;
        };
        for method in METHODS {
            let is_ours = |operation: &Value| {
                mode == ServerMode::Strict || operation.get("x-strict-only").is_none()
            };
            match path.get_mut(method) {
                Some(operation) if is_ours(operation) => complete(operation, has_values),
                Some(_) => drop(path.remove(method)),
                None => {}
            }
        }
    }
    paths.retain(|_, path| METHODS.iter().any(|method| path.get(*method).is_some()));
    Ok(document)
}

/// Adds the answers an operation shares with those of its kind.
fn complete(operation: &mut Value, has_values: bool) {
    let mut shared = vec![
        ("408", "Timeout"),
        ("429", "TooMany"),
        ("500", "Internal"),
        ("503", "Busy"),
    ];
    if operation.get("requestBody").is_some() {
        shared.extend([("400", "BadRequest"), ("413", "TooLarge")]);
    }
    if has_values || operation.get("parameters").is_some() {
        shared.push(("400", "BadRequest"));
    }
    // `[{}, ...]`: may be signed. `[{...}]`: must be.
    match operation.get("security").and_then(Value::as_array) {
        Some(ways) if ways.len() > 1 => shared.push(("401", "Unauthorized")),
        Some(_) => shared.extend([("401", "Unauthorized"), ("403", "Forbidden")]),
        None => {}
    }
    let responses = operation
        .get_mut("responses")
        .and_then(Value::as_object_mut);
    if let Some(responses) = responses {
        for (status, name) in shared {
            let there = format!("#/components/responses/{name}");
            responses
                .entry(status)
                .or_insert_with(|| json!({ "$ref": there }));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::router::ENDPOINTS;
    use super::*;

    fn operations(document: &Value) -> BTreeSet<(String, String)> {
        let paths = document["paths"].as_object().unwrap();
        paths
            .iter()
            .flat_map(|(path, operations)| {
                METHODS
                    .iter()
                    .filter(|method| operations.get(**method).is_some())
                    .map(|method| (path.clone(), method.to_ascii_uppercase()))
            })
            .collect()
    }

    #[test]
    fn the_document_has_every_endpoint_and_no_other() {
        for mode in [ServerMode::Strict, ServerMode::Compat] {
            let routed: BTreeSet<_> = ENDPOINTS
                .iter()
                .filter(|(modes, ..)| modes.include(mode))
                .map(|(_, method, path)| ((*path).to_owned(), (*method).to_owned()))
                .collect();
            assert_eq!(operations(&document(mode).unwrap()), routed, "{mode:?}");
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn check(document: &Value, value: &Value) {
            match value {
                Value::Object(fields) => {
                    if let Some(Value::String(there)) = fields.get("$ref") {
                        let pointer = there.strip_prefix('#').unwrap();
                        assert!(document.pointer(pointer).is_some(), "{there}");
                    }
                    fields.values().for_each(|field| check(document, field));
                }
                Value::Array(items) => items.iter().for_each(|item| check(document, item)),
                _ => {}
            }
        }
        let document = document(ServerMode::Strict).unwrap();
        check(&document, &document);
    }

    #[test]
    fn operations_that_are_signed_say_so() {
        let document = document(ServerMode::Strict).unwrap();
        let answers = |pointer: &str| -> Vec<String> {
            let answers = document.pointer(pointer).unwrap().as_object().unwrap();
            answers.keys().cloned().collect()
        };
        let create = answers("/paths/~1farms/post/responses");
        for status in ["201", "400", "401", "403", "409", "413", "429"] {
            assert!(create.contains(&status.to_owned()), "{create:?}");
        }
        let list = answers("/paths/~1gateways/get/responses");
        assert!(!list.contains(&"401".to_owned()), "{list:?}");
    }
}
