//! How a connection of Airflow's type `aws` says who asks, and where.

use anyhow::{Context as _, ensure};
use scheduler::connection::{Connection, Secret};
use serde_json::Value;

use super::role::Role;
use super::shared_files::Variables;
use crate::location::S3;

/// What says whose keys are taken.
const KEYS: [&str; 3] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];

/// How a connection reaches AWS. What it does not say, `surroundings` do; keys of its own stand alone.
pub(crate) fn settings(connection: &Connection, surroundings: &S3) -> anyhow::Result<S3> {
    let extra = |key: &str| connection.extra_text(key).map(str::to_owned);
    let session = |key: &str| of_object(connection, "session_kwargs", key);
    let (keys, endpoint) = (keys(connection), extra("endpoint_url"));
    let profile = extra("profile_name").or_else(|| session("profile_name"));
    let mut region = extra("region_name").or_else(|| session("region_name"));
    let services = services(connection)?;
    // A role is lent by Amazon itself, whatever else is at the endpoint; as in Airflow, unless it is said of STS.
    let lender = services.get("AWS_ENDPOINT_URL_STS").cloned().or_else(|| surroundings.said_endpoint("sts"));
    let role = Role::of(connection, lender)?;
    let says_where = endpoint.is_some() || region.is_some() || !services.is_empty();
    if keys.is_empty() && profile.is_none() && role.is_none() && !says_where {
        return Ok(surroundings.clone());
    }
    let mut variables = if keys.is_empty() { surroundings.variables().clone() } else { Variables::new() };
    if let Some(profile) = profile {
        ensure!(keys.is_empty(), "it has both keys and a `profile_name`; leave one of them out");
        variables.retain(|name, _| !KEYS.contains(&name.as_str()));
        variables.insert("AWS_PROFILE".to_owned(), profile);
    }
    if role.is_some() || variables.contains_key("AWS_PROFILE") {
        // Who is somebody signs.
        variables.remove("AWS_SKIP_SIGNATURE");
    }
    if !keys.is_empty() && endpoint.is_none() {
        // Amazon's own services, in the region that everything else is in.
        region = region.or_else(|| Some(surroundings.region()));
    }
    variables.extend(keys);
    if let Some(endpoint) = endpoint {
        variables.retain(|name, _| !name.starts_with("AWS_ENDPOINT"));
        variables.insert("AWS_ENDPOINT_URL".to_owned(), endpoint);
    }
    if let Some(region) = region {
        variables.insert("AWS_REGION".to_owned(), region);
    }
    variables.extend(services);
    Ok(S3::from_variables(variables).assuming(role))
}

/// The keys that a connection has, as variables.
fn keys(connection: &Connection) -> Variables {
    let extra = |key: &str| connection.extra_text(key).map(str::to_owned);
    let password = connection.password.as_ref().map(|password| Secret::reveal(password).to_owned());
    let (id, secret) = match &connection.login {
        Some(login) => (Some(login.clone()), password),
        None => (extra("aws_access_key_id"), extra("aws_secret_access_key")),
    };
    if id.is_none() {
        return Variables::new();
    }
    let said = KEYS.into_iter().zip([id, secret, extra("aws_session_token")]);
    said.filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// Where single services are (`service_config`), as variables.
fn services(connection: &Connection) -> anyhow::Result<Variables> {
    let Some(services) = connection.extra.get("service_config").filter(|value| !value.is_null()) else {
        return Ok(Variables::new());
    };
    let services = services.as_object().context("`service_config` is no mapping")?;
    let endpoint = |(name, service): (&String, &Value)| {
        let endpoint = service.get("endpoint_url")?.as_str().filter(|text| !text.is_empty())?;
        Some((format!("AWS_ENDPOINT_URL_{}", name.to_ascii_uppercase()), endpoint.to_owned()))
    };
    Ok(services.iter().filter_map(endpoint).collect())
}

/// A text in an object of `extra`.
fn of_object(connection: &Connection, object: &str, key: &str) -> Option<String> {
    let text = connection.extra.get(object)?.get(key)?.as_str()?;
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn connection(login: Option<&str>, extra: &Value) -> Connection {
        Connection {
            login: login.map(str::to_owned),
            password: login.map(|_| Secret::new("own-secret")),
            extra: extra.as_object().unwrap().clone(),
            ..Connection::new("lake conn", "aws")
        }
    }

    fn surroundings() -> S3 {
        let variables = [
            ("AWS_ACCESS_KEY_ID", "AKIAENV"),
            ("AWS_SECRET_ACCESS_KEY", "env-secret"),
            ("AWS_SESSION_TOKEN", "env-token"),
            ("AWS_REGION", "eu-north-1"),
            ("AWS_ENDPOINT_URL_S3", "http://s3.example"),
        ];
        S3::from_variables(variables.map(|(name, value)| (name.to_owned(), value.to_owned())))
    }

    /// What the settings say of these variables.
    fn said(settings: &S3, names: &[&str]) -> Vec<String> {
        names.iter().map(|name| settings.variables().get(*name).cloned().unwrap_or_default()).collect()
    }

    const NAMES: [&str; 6] = [
        "AWS_ACCESS_KEY_ID",
        "AWS_SESSION_TOKEN",
        "AWS_PROFILE",
        "AWS_REGION",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
    ];

    #[test]
    fn what_a_connection_does_not_say_the_surroundings_do() {
        let (env, token, here, s3) = ("AKIAENV", "env-token", "eu-north-1", "http://s3.example");
        for (login, extra, expected) in [
            (None, json!({}), [env, token, "", here, "", s3]),
            (None, json!({ "region_name": "us-west-2" }), [env, token, "", "us-west-2", "", s3]),
            (None, json!({ "endpoint_url": "http://minio" }), [env, token, "", here, "http://minio", ""]),
            (None, json!({ "profile_name": "lake" }), ["", "", "lake", here, "", s3]),
            (None, json!({ "session_kwargs": { "profile_name": "lake" } }), ["", "", "lake", here, "", s3]),
            (
                None,
                json!({ "aws_access_key_id": "AKIAX", "aws_secret_access_key": "x" }),
                ["AKIAX", "", "", here, "", ""],
            ),
            (Some("AKIAOWN"), json!({}), ["AKIAOWN", "", "", here, "", ""]),
            (Some("AKIAOWN"), json!({ "endpoint_url": "http://minio" }), ["AKIAOWN", "", "", "", "http://minio", ""]),
            (
                Some("AKIAOWN"),
                json!({ "service_config": { "s3": { "endpoint_url": "http://x", "bucket_name": "b" } } }),
                ["AKIAOWN", "", "", here, "", "http://x"],
            ),
        ] {
            let settings = settings(&connection(login, &extra), &surroundings()).unwrap();
            assert_eq!(said(&settings, &NAMES), expected, "{login:?} {extra}");
        }
    }

    #[test]
    fn what_cannot_be_done_is_said() {
        let role = "arn:aws:iam::123456789012:role/lake";
        for (extra, words) in [
            (json!({ "role_arn": role, "assume_role_method": "assume_role_with_saml" }), "it can be `assume_role`"),
            (json!({ "role_arn": role, "assume_role_kwargs": { "TokenCode": "1" } }), "unknown field `TokenCode`"),
            (
                json!({ "role_arn": role, "assume_role_method": "assume_role_with_web_identity" }),
                "`assume_role_with_web_identity_token_file` is missing",
            ),
            (
                json!({ "role_arn": role, "assume_role_method": "assume_role_with_web_identity",
                        "assume_role_with_web_identity_federation": "google" }),
                "only tokens in a `file`",
            ),
            (json!({ "service_config": "s3" }), "`service_config` is no mapping"),
        ] {
            let error = settings(&connection(None, &extra), &surroundings()).unwrap_err();
            assert!(format!("{error:#}").contains(words), "{extra}: {error:#}");
        }
        let error = settings(&connection(Some("AKIA"), &json!({ "profile_name": "x" })), &surroundings()).unwrap_err();
        assert!(error.to_string().contains("leave one of them out"), "{error}");
    }
}
