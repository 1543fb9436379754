//! Bulk bodies: several changes of one kind of thing in one request (Airflow 3: BulkBody).

use super::body::{Fields, FromFields, Item};

/// Something that can be changed in bulk.
pub(crate) trait Entity: FromFields {
    /// What people call it.
    type Key;

    /// The key in a word, as those that are deleted may be named.
    fn named(word: &str) -> Self::Key;

    /// What people call it.
    fn key(&self) -> Self::Key;
}

/// The changes, in order.
pub(crate) struct BulkBody<T: Entity> {
    pub(crate) actions: Vec<BulkAction<T>>,
}

/// One change.
pub(crate) enum BulkAction<T: Entity> {
    /// Make these.
    Create { entities: Vec<T>, on_existence: OnExistence },
    /// Change these, in the fields that the mask names, or in all.
    Update { entities: Vec<T>, on_non_existence: OnNonExistence, mask: Vec<String> },
    /// Delete those called so.
    Delete { keys: Vec<T::Key>, on_non_existence: OnNonExistence },
}

/// What to do with what is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnExistence {
    /// Make none.
    Fail,
    /// Leave it as it is.
    Skip,
    /// Make it as the request says.
    Overwrite,
}

/// What to do about what is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnNonExistence {
    /// Change none.
    Fail,
    /// Change the others.
    Skip,
}

impl<T: Entity> FromFields for BulkBody<T> {
    fn from_fields(fields: &mut Fields) -> BulkBody<T> {
        fields.require("actions");
        BulkBody { actions: fields.objects("actions") }
    }
}

impl<T: Entity> FromFields for BulkAction<T> {
    fn from_fields(fields: &mut Fields) -> BulkAction<T> {
        fields.require("action");
        fields.require("entities");
        match fields.word("action", &["create", "update", "delete"]).as_deref() {
            Some("create") => {
                BulkAction::Create { entities: fields.objects("entities"), on_existence: on_existence(fields) }
            }
            Some("update") => BulkAction::Update {
                entities: fields.objects("entities"),
                on_non_existence: on_non_existence(fields),
                mask: fields.texts("update_mask"),
            },
            _ => BulkAction::Delete {
                keys: fields.items("entities", |item: Item<'_>| match item.text() {
                    Some(word) => T::named(word),
                    None => item.object::<T>().key(),
                }),
                on_non_existence: on_non_existence(fields),
            },
        }
    }
}

fn on_existence(fields: &mut Fields) -> OnExistence {
    match fields.word("action_on_existence", &["fail", "skip", "overwrite"]).as_deref() {
        Some("skip") => OnExistence::Skip,
        Some("overwrite") => OnExistence::Overwrite,
        _ => OnExistence::Fail,
    }
}

fn on_non_existence(fields: &mut Fields) -> OnNonExistence {
    match fields.word("action_on_non_existence", &["fail", "skip"]).as_deref() {
        Some("skip") => OnNonExistence::Skip,
        _ => OnNonExistence::Fail,
    }
}
