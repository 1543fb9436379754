//! Carries out bulk changes of anything that has a name (Airflow 3: BulkBody).

use std::collections::BTreeSet;

use axum::http::StatusCode;
use scheduler::control::ControlError;
use scheduler::store::StoreError;

use crate::error::ApiError;
use crate::request::{BulkAction, BulkBody, Entity, OnExistence, OnNonExistence};
use crate::view::{BulkActionResponse, BulkResponse};

/// Things that are made, changed and deleted by their names.
pub(crate) trait Things {
    /// What one of them is in a request.
    type Body: Entity<Key = String>;
    /// What they and their names are called in sentences: `pools`, `pool names`.
    const WORDS: (&'static str, &'static str);

    /// The names of those that are there.
    async fn known(&self) -> Result<BTreeSet<String>, StoreError>;
    /// Makes one.
    async fn create(&self, body: Self::Body) -> Result<(), ControlError>;
    /// Changes one, in the fields that the mask names, or in all.
    async fn update(&self, body: Self::Body, mask: &[String]) -> Result<(), ControlError>;
    /// Deletes one.
    async fn delete(&self, name: &str) -> Result<(), ControlError>;
}

/// Carries out the changes, in order, and says what became of each.
pub(crate) async fn change<T: Things>(things: &T, body: BulkBody<T::Body>) -> Result<BulkResponse, ApiError> {
    let mut answer = BulkResponse::default();
    for action in body.actions {
        let known = things.known().await?;
        match action {
            BulkAction::Create { entities, on_existence } => {
                let outcome = answer.create.get_or_insert_default();
                create(things, &known, entities, on_existence, outcome).await?;
            }
            BulkAction::Update { entities, on_non_existence, mask } => {
                let outcome = answer.update.get_or_insert_default();
                update(things, &known, entities, (on_non_existence, &mask), outcome).await?;
            }
            BulkAction::Delete { keys, on_non_existence } => {
                let outcome = answer.delete.get_or_insert_default();
                delete(things, &known, keys, on_non_existence, outcome).await?;
            }
        }
    }
    Ok(answer)
}

async fn create<T: Things>(
    things: &T,
    known: &BTreeSet<String>,
    bodies: Vec<T::Body>,
    on_existence: OnExistence,
    answer: &mut BulkActionResponse,
) -> Result<(), ApiError> {
    let there: Vec<String> = bodies.iter().map(Entity::key).filter(|name| known.contains(name)).collect();
    if on_existence == OnExistence::Fail && !there.is_empty() {
        let (things, names) = T::WORDS;
        answer.failed(
            StatusCode::CONFLICT,
            format!("The {things} with these {names}: {} already exist.", there.join(", ")),
        );
        return Ok(());
    }
    for body in bodies {
        let name = body.key();
        let done = match (known.contains(&name), on_existence) {
            (false, _) => things.create(body).await,
            (true, OnExistence::Overwrite) => things.update(body, &[]).await,
            (true, _) => continue,
        };
        note(answer, name, done)?;
    }
    Ok(())
}

async fn update<T: Things>(
    things: &T,
    known: &BTreeSet<String>,
    bodies: Vec<T::Body>,
    (on_non_existence, mask): (OnNonExistence, &[String]),
    answer: &mut BulkActionResponse,
) -> Result<(), ApiError> {
    let names: Vec<String> = bodies.iter().map(Entity::key).collect();
    if misses::<T>(answer, known, &names, on_non_existence) {
        return Ok(());
    }
    for body in bodies.into_iter().filter(|body| known.contains(&body.key())) {
        let name = body.key();
        let done = things.update(body, mask).await;
        note(answer, name, done)?;
    }
    Ok(())
}

async fn delete<T: Things>(
    things: &T,
    known: &BTreeSet<String>,
    names: Vec<String>,
    on_non_existence: OnNonExistence,
    answer: &mut BulkActionResponse,
) -> Result<(), ApiError> {
    if misses::<T>(answer, known, &names, on_non_existence) {
        return Ok(());
    }
    for name in names.into_iter().filter(|name| known.contains(name)) {
        let done = things.delete(&name).await;
        note(answer, name, done)?;
    }
    Ok(())
}

/// Whether nothing is changed because something is missing.
fn misses<T: Things>(
    answer: &mut BulkActionResponse,
    known: &BTreeSet<String>,
    names: &[String],
    on_non_existence: OnNonExistence,
) -> bool {
    let missing: Vec<&str> = names.iter().filter(|name| !known.contains(*name)).map(String::as_str).collect();
    let refuses = on_non_existence == OnNonExistence::Fail && !missing.is_empty();
    if refuses {
        let (things, names) = T::WORDS;
        let why = format!("The {things} with these {names}: {} were not found.", missing.join(", "));
        answer.failed(StatusCode::NOT_FOUND, why);
    }
    refuses
}

/// Notes what became of one change; our own faults are the whole request's.
fn note(answer: &mut BulkActionResponse, name: String, done: Result<(), ControlError>) -> Result<(), ApiError> {
    match done {
        Ok(()) => answer.success.push(name),
        Err(error @ ControlError::NotFound { .. }) => answer.failed(StatusCode::NOT_FOUND, error.to_string()),
        Err(ControlError::Conflict(why)) => answer.failed(StatusCode::CONFLICT, why),
        Err(ControlError::Invalid(why)) => answer.failed(StatusCode::BAD_REQUEST, why),
        Err(other) => return Err(other.into()),
    }
    Ok(())
}
