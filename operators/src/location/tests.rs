//! Locations, as tables.

use std::path::Path;

use object_store::aws::AmazonS3ConfigKey;

use super::*;

const HOME: &str = "/home/updraft";

fn parse(text: &str) -> Result<Location, LocationError> {
    Location::parse(text, Path::new(HOME))
}

#[test]
fn every_spelling_means_one_place() {
    for (text, shown, url) in [
        ("lake", "/home/updraft/lake", "file:///home/updraft/lake"),
        ("./lake//raw/", "/home/updraft/lake/raw", "file:///home/updraft/lake/raw"),
        ("lake/../raw", "/home/updraft/raw", "file:///home/updraft/raw"),
        (".", "/home/updraft", "file:///home/updraft"),
        (" lake\n", "/home/updraft/lake", "file:///home/updraft/lake"),
        ("/srv/my lake", "/srv/my lake", "file:///srv/my%20lake"),
        ("/srv/x/../lake", "/srv/lake", "file:///srv/lake"),
        ("/", "/", "file:///"),
        ("file:///srv/my%20lake/", "/srv/my lake", "file:///srv/my%20lake"),
        ("topics/u.pin/*.json", "/home/updraft/topics/u.pin/*.json", "file:///home/updraft/topics/u.pin/*.json"),
        ("s3://bucket", "s3://bucket", "s3://bucket/"),
        ("s3://bucket/", "s3://bucket", "s3://bucket/"),
        ("S3A://bucket/a/b/", "s3://bucket/a/b", "s3://bucket/a/b"),
        ("s3n://bucket/a b/partition=0", "s3://bucket/a b/partition=0", "s3://bucket/a%20b/partition=0"),
        ("s3://bucket/00%3A00/a#1?", "s3://bucket/00%3A00/a#1?", "s3://bucket/00%253A00/a%231%3F"),
    ] {
        let location = parse(text).unwrap();
        assert_eq!(location.to_string(), shown, "{text}");
        assert_eq!(location.file_url().unwrap().as_str(), url, "{text}");
        assert_eq!(location.local_path().is_some(), !shown.starts_with("s3"), "{text}");
    }
}

#[test]
fn bad_text_says_what_is_wrong() {
    for (text, part) in [
        ("", "is empty"),
        ("  ", "is empty"),
        ("..", "climbs above its root"),
        ("lake/../../etc", "climbs above its root"),
        ("/../etc", "climbs above its root"),
        ("s3://bucket/a/../b", "climbs above its root"),
        ("ftp://host/x", "unknown scheme \"ftp\""),
        ("s3://", "names no bucket"),
        ("s3:///prefix", "names no bucket"),
        ("s3://buc ket/prefix", "letters, digits"),
        ("file://host/x", "three slashes"),
        ("a\0b", "NUL"),
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text:?}: {error}");
    }
}

#[test]
fn credentials_in_a_location_are_refused_and_not_repeated() {
    let error = parse("s3://AKIA:hush@bucket/x").unwrap_err().to_string();
    assert!(error.contains("AWS_SECRET_ACCESS_KEY"), "{error}");
    assert!(!error.contains("hush"), "{error}");
}

#[test]
fn joining_stays_below() {
    for (base, below, shown) in [
        ("lake", "topics/u.pin", "/home/updraft/lake/topics/u.pin"),
        ("lake", "/topics", "/home/updraft/lake/topics"),
        ("s3://bucket", "topics", "s3://bucket/topics"),
        ("s3://bucket/lake", "topics/u.pin/", "s3://bucket/lake/topics/u.pin"),
    ] {
        assert_eq!(parse(base).unwrap().join(below).to_string(), shown);
    }
}

#[test]
fn opening_splits_store_and_prefix() {
    let settings = S3::from_variables([]);
    let local = parse("my lake").unwrap().open(&settings).unwrap();
    assert_eq!(local.prefix.as_ref(), "home/updraft/my lake");
    let s3 = parse("s3://bucket/lake/raw").unwrap().open(&settings).unwrap();
    assert_eq!(s3.prefix.as_ref(), "lake/raw");
}

#[test]
fn settings_follow_the_variables() {
    let settings = |variables: &[(&str, &str)]| {
        S3::from_variables(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    };
    let get = |settings: &S3, key: AmazonS3ConfigKey| settings.settings().get_config_value(&key);
    let allow_http = || AmazonS3ConfigKey::Client(object_store::ClientConfigKey::AllowHttp);

    let none = settings(&[("PATH", "/bin"), ("AWS_ENDPOINT_URL", "")]);
    assert_eq!(get(&none, AmazonS3ConfigKey::Region).as_deref(), Some("us-east-1"));
    assert_eq!(get(&none, AmazonS3ConfigKey::Endpoint), None);

    let https = settings(&[("AWS_ENDPOINT_URL", "https://minio:9000"), ("AWS_DEFAULT_REGION", "eu-west-2")]);
    assert_eq!(get(&https, allow_http()).as_deref(), Some("false"));
    assert_eq!(get(&https, AmazonS3ConfigKey::Region).as_deref(), Some("eu-west-2"));
    assert_eq!(get(&https, AmazonS3ConfigKey::VirtualHostedStyleRequest).as_deref(), Some("false"));

    let http = settings(&[("AWS_ENDPOINT_URL", "http://127.0.0.1:5000"), ("AWS_SECRET_ACCESS_KEY", "hush")]);
    assert_eq!(get(&http, allow_http()).as_deref(), Some("true"));
    assert!(!format!("{http:?}").contains("hush"));
}
