//! Who gives tokens to a machine of Azure, after the public descriptions: the metadata service of a virtual machine, and what
//! App Service has in its place. It has one identity of its own, and one that was assigned by a user.

use std::collections::HashMap;

use axum::http::{HeaderMap, Method};
use scheduler::clock::Clock;
use serde_json::json;

use super::{Inside, Reply, error, ok};

/// The client id of the identity that was assigned by a user.
pub const ASSIGNED: &str = "6f1c2b1e-0000-4000-8000-000000000001";

/// What App Service puts into the environment of an app.
pub const IDENTITY_HEADER: &str = "853b9a84-5bfa-4b22-a3f3-0b9a43d9ad8a";

impl Inside {
    /// A token, when it is asked for at `path`.
    pub(super) fn machine_token(
        &mut self,
        path: &str,
        method: &Method,
        headers: &HeaderMap,
        query: &HashMap<String, String>,
    ) -> Option<Reply> {
        let is = |name: &str, value: &str| headers.get(name).is_some_and(|found| found == value);
        let (version, is_shown) = match path {
            "/metadata/identity/oauth2/token" => ("2018-02-01", is("metadata", "true")),
            "/msi/token" => ("2019-08-01", is("x-identity-header", IDENTITY_HEADER)),
            _ => return None,
        };
        if !is_shown || method != Method::GET || headers.contains_key("x-forwarded-for") {
            return Some(refusal("bad_request_102", "Required metadata header not specified"));
        }
        let known = ["api-version", "resource", "client_id"];
        if query.keys().any(|name| !known.contains(&name.as_str()))
            || query.get("api-version").is_none_or(|v| v != version)
        {
            return Some(refusal("invalid_request", "Invalid query parameter"));
        }
        let resource = query.get("resource").cloned().unwrap_or_default();
        if !["2ff814a6-3304-4ab8-85cb-cd0e6f879c1d", "https://management.core.windows.net/"]
            .contains(&resource.as_str())
        {
            return Some(refusal("invalid_resource", "AADSTS500011: The resource principal was not found"));
        }
        if query.get("client_id").is_some_and(|id| id != ASSIGNED) {
            return Some(refusal("invalid_request", "Identity not found"));
        }
        let token = self.new_token();
        let ends = Clock::System.now().timestamp().unsigned_abs() + self.token_life;
        let mut given = json!({
            "access_token": token,
            "client_id": query.get("client_id"),
            "expires_on": ends.to_string(),
            "not_before": "1506484173",
            "resource": resource,
            "token_type": "Bearer",
        });
        if version == "2018-02-01" {
            given["expires_in"] = json!(self.token_life.to_string());
        }
        Some(ok(&given))
    }
}

fn refusal(code: &str, description: &str) -> Reply {
    let (status, headers, _) = error(400, code, description);
    (status, headers, json!({ "error": code, "error_description": description }).to_string())
}
