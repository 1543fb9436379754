//! The objects whose keys begin alike, and the folders among them.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Context as _;
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::ObjectMeta;
use object_store::aws::AmazonS3;
use object_store::list::{PaginatedListOptions, PaginatedListStore as _};

use crate::upload::{finally, refusal};

/// Every object whose key begins with `prefix`, in the order of the keys.
pub(crate) fn objects_below(store: Arc<AmazonS3>, prefix: String) -> BoxStream<'static, anyhow::Result<ObjectMeta>> {
    pages(store, prefix, None).map_ok(|(objects, _)| stream::iter(objects.into_iter().map(Ok))).try_flatten().boxed()
}

/// What a listing answers.
#[derive(Debug, Default)]
pub(super) struct Listed {
    pub(super) keys: Vec<String>,
    pub(super) prefixes: BTreeSet<String>,
}

/// The keys that begin with `prefix`, and with a delimiter the folders instead of what is in them; at most so many.
pub(super) async fn list(
    store: Arc<AmazonS3>,
    prefix: &str,
    delimiter: Option<&str>,
    count_max: usize,
) -> anyhow::Result<Listed> {
    let mut listed = Listed::default();
    let mut pages = pages(store, prefix.to_owned(), delimiter.map(str::to_owned));
    while let Some((objects, prefixes)) = pages.try_next().await? {
        listed.keys.extend(objects.into_iter().map(|object| object.location.to_string()));
        listed.prefixes.extend(prefixes);
        if listed.keys.len().max(listed.prefixes.len()) > count_max {
            return Err(finally(format!(
                "there are more than {count_max}; write a longer `prefix`, or let `keys_max` be greater"
            )));
        }
    }
    Ok(listed)
}

/// Objects, and the folders between them.
type Page = (Vec<ObjectMeta>, Vec<String>);

/// The same, as the bucket answers it: page by page.
pub(super) fn pages(
    store: Arc<AmazonS3>,
    prefix: String,
    delimiter: Option<String>,
) -> BoxStream<'static, anyhow::Result<Page>> {
    let state = Some((store, prefix, delimiter, None));
    let pages = stream::try_unfold(state, |state| async move {
        let Some((store, prefix, delimiter, page_token)) = state else { return Ok(None) };
        let options = PaginatedListOptions {
            delimiter: delimiter.clone().map(Into::into),
            page_token,
            ..PaginatedListOptions::default()
        };
        let asked =
            store.list_paginated(Some(&prefix).filter(|prefix| !prefix.is_empty()).map(String::as_str), options);
        let found = asked.await.map_err(|error| refusal(&error)).context("the bucket cannot be listed")?;
        let folders = found
            .result
            .common_prefixes
            .iter()
            .map(|folder| format!("{folder}{}", delimiter.as_deref().unwrap_or_default()));
        let page = (found.result.objects, folders.collect());
        Ok(Some((page, found.page_token.map(|token| (store, prefix, delimiter, Some(token))))))
    });
    pages.boxed()
}
