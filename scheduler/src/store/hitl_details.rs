//! What tasks ask of people, and what they answer (Airflow 3: `hitl_detail`).
//!
//! **Invariant:** the first answer counts: an answer is written only where there is none.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, TryInsertResult};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::entity::hitl_detail::{ActiveModel, Column, Entity, Model};
use super::entity::task_instance;
use super::error::{StoreError, doing};
use crate::dag::Param;
use crate::operator::{Answer, FALLBACK_USER, Question};

/// Which try asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asker {
    /// The run's key.
    pub run: Uuid,
    /// The task.
    pub task_id: String,
    /// The index within a mapped task; -1 when not mapped.
    pub map_index: i32,
    /// The try.
    pub try_number: i32,
}

/// Asks, unless this try has asked before; false when it has.
pub async fn ask(
    db: &impl ConnectionTrait,
    asker: &Asker,
    question: &Question,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let row = ActiveModel {
        dag_run_id: Set(asker.run),
        task_id: Set(asker.task_id.clone()),
        map_index: Set(asker.map_index),
        try_number: Set(asker.try_number),
        subject: Set(question.subject.clone()),
        body: Set(question.body.clone()),
        options: Set(json!(question.options)),
        defaults: Set(question.defaults.as_ref().map(|defaults| json!(defaults))),
        multiple: Set(question.multiple),
        params: Set(written(&question.params)),
        assigned_users: Set(json!(question.assigned_users)),
        created_at: Set(now),
        responded_at: Set(None),
        responded_by: Set(None),
        chosen_options: Set(None),
        params_input: Set(None),
    };
    let inserted = Entity::insert_many([row])
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .try_insert()
        .exec_without_returning(db)
        .await
        .map_err(doing("asking people"))?;
    Ok(matches!(inserted, TryInsertResult::Inserted(rows) if rows > 0))
}

/// What a try asked.
pub async fn find(db: &impl ConnectionTrait, asker: &Asker) -> Result<Option<Model>, StoreError> {
    Entity::find_by_id((asker.run, asker.task_id.clone(), asker.map_index, asker.try_number))
        .one(db)
        .await
        .map_err(doing("looking for a question"))
}

/// What a task instance asked last, unless a later try of it has begun since.
pub async fn latest(db: &impl ConnectionTrait, instance: &task_instance::Model) -> Result<Option<Model>, StoreError> {
    Entity::find()
        .filter(Column::DagRunId.eq(instance.dag_run_id))
        .filter(Column::TaskId.eq(&instance.task_id))
        .filter(Column::MapIndex.eq(instance.map_index))
        .filter(Column::TryNumber.gte(instance.try_number))
        .order_by_desc(Column::TryNumber)
        .one(db)
        .await
        .map_err(doing("looking for a question"))
}

/// Writes an answer where there is none; false when somebody was faster.
pub async fn respond(db: &impl ConnectionTrait, asker: &Asker, answer: &Answer) -> Result<bool, StoreError> {
    let written = Entity::update_many()
        .col_expr(Column::RespondedAt, Expr::value(answer.responded_at))
        .col_expr(Column::RespondedBy, Expr::value(answer.responded_by.clone()))
        .col_expr(Column::ChosenOptions, Expr::value(json!(answer.chosen_options)))
        .col_expr(Column::ParamsInput, Expr::value(Value::Object(answer.params_input.clone())))
        .filter(Column::DagRunId.eq(asker.run))
        .filter(Column::TaskId.eq(&asker.task_id))
        .filter(Column::MapIndex.eq(asker.map_index))
        .filter(Column::TryNumber.eq(asker.try_number))
        .filter(Column::RespondedAt.is_null())
        .exec(db)
        .await
        .map_err(doing("answering a question"))?;
    Ok(written.rows_affected > 0)
}

impl Model {
    /// Which try asks.
    pub fn asker(&self) -> Asker {
        Asker {
            run: self.dag_run_id,
            task_id: self.task_id.clone(),
            map_index: self.map_index,
            try_number: self.try_number,
        }
    }

    /// What is asked.
    pub fn question(&self) -> Result<Question, StoreError> {
        Ok(Question {
            subject: self.subject.clone(),
            body: self.body.clone(),
            options: read("options", &self.options)?,
            defaults: self.defaults.as_ref().map(|defaults| read("defaults", defaults)).transpose()?,
            multiple: self.multiple,
            params: params(&self.params)?,
            assigned_users: read("assigned_users", &self.assigned_users)?,
        })
    }

    /// What was answered, if anything was.
    pub fn answer(&self) -> Result<Option<Answer>, StoreError> {
        let (Some(responded_at), Some(chosen)) = (self.responded_at, &self.chosen_options) else { return Ok(None) };
        Ok(Some(Answer {
            chosen_options: read("chosen_options", chosen)?,
            params_input: match &self.params_input {
                Some(input) => read("params_input", input)?,
                None => Map::new(),
            },
            responded_at,
            responded_by: self.responded_by.clone().unwrap_or_else(|| FALLBACK_USER.to_owned()),
        }))
    }
}

fn read<T: DeserializeOwned>(column: &'static str, value: &Value) -> Result<T, StoreError> {
    serde_json::from_value(value.clone()).map_err(|_| StoreError::Corrupt {
        table: "hitl_detail",
        column,
        value: value.to_string(),
    })
}

/// Params as Airflow writes them down: by name `value`, `description` and `schema`. One without a default has no `value`.
fn written(params: &BTreeMap<String, Param>) -> Value {
    let shown = |param: &Param| {
        let mut shown = json!({ "description": param.description, "schema": param.schema });
        if let Some(default) = &param.default {
            shown["value"] = default.clone();
        }
        shown
    };
    Value::Object(params.iter().map(|(name, param)| (name.clone(), shown(param))).collect())
}

fn params(written: &Value) -> Result<BTreeMap<String, Param>, StoreError> {
    #[derive(serde::Deserialize)]
    struct Shown {
        description: Option<String>,
        schema: Map<String, Value>,
    }
    let shown: BTreeMap<String, Shown> = read("params", written)?;
    let param = |(name, shown): (String, Shown)| {
        let default = written.get(&name).and_then(|param| param.get("value")).cloned();
        (name, Param { default, description: shown.description, schema: shown.schema })
    };
    Ok(shown.into_iter().map(param).collect())
}
