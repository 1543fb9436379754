//! What tasks ask of people.

use scheduler::dag::Param;
use scheduler::operator::{Answer, Respondent};
use scheduler::store::entity::hitl_detail;
use scheduler::store::read::{HitlDetailRow, Tries};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{TaskInstanceHistoryResponse, TaskInstanceResponse};
use crate::error::ApiError;
use crate::timestamp::DateTime;

/// Somebody who answers.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = HITLUser)]
pub(crate) struct HitlUser {
    id: String,
    name: String,
}

impl From<Respondent> for HitlUser {
    fn from(Respondent { id, name }: Respondent) -> HitlUser {
        HitlUser { id, name }
    }
}

/// Users are known by their names.
fn user(name: String) -> HitlUser {
    HitlUser { id: name.clone(), name }
}

/// A question, and its answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AskedAndAnswered {
    /// What can be answered.
    #[schema(min_items = 1)]
    options: Vec<String>,
    /// The question, in one line.
    subject: String,
    /// What one has to know to answer it, in Markdown.
    body: Option<String>,
    /// What is answered when nobody does in time.
    defaults: Option<Vec<String>>,
    /// Whether several options may be chosen.
    multiple: bool,
    /// What else is asked for: by name `value`, `description` and `schema`.
    #[schema(value_type = Object)]
    params: Map<String, Value>,
    /// Who may answer; everybody when empty.
    assigned_users: Vec<HitlUser>,
    created_at: DateTime,
    responded_by_user: Option<HitlUser>,
    responded_at: Option<DateTime>,
    chosen_options: Option<Vec<String>>,
    #[schema(value_type = Object)]
    params_input: Map<String, Value>,
    response_received: bool,
}

impl TryFrom<hitl_detail::Model> for AskedAndAnswered {
    type Error = ApiError;

    fn try_from(detail: hitl_detail::Model) -> Result<AskedAndAnswered, ApiError> {
        let (question, answer) = (detail.question()?, detail.answer()?);
        let response_received = answer.is_some();
        let (chosen_options, params_input) = answer.map(|answer| (answer.chosen_options, answer.params_input)).unzip();
        Ok(AskedAndAnswered {
            options: question.options,
            subject: question.subject,
            body: question.body,
            defaults: question.defaults,
            multiple: question.multiple,
            params: question.params.iter().map(|(name, param)| (name.clone(), shown(param))).collect(),
            assigned_users: question.assigned_users.into_iter().map(HitlUser::from).collect(),
            created_at: DateTime(detail.created_at),
            responded_by_user: detail.responded_by.map(user),
            responded_at: detail.responded_at.map(DateTime),
            chosen_options,
            params_input: params_input.unwrap_or_default(),
            response_received,
        })
    }
}

/// As the params of a DAG are shown.
fn shown(param: &Param) -> Value {
    json!({ "value": param.default, "description": param.description, "schema": param.schema })
}

/// What a task instance asks.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HITLDetail)]
pub(crate) struct HitlDetail {
    task_instance: TaskInstanceResponse,
    #[serde(flatten)]
    detail: AskedAndAnswered,
}

impl TryFrom<HitlDetailRow> for HitlDetail {
    type Error = ApiError;

    fn try_from(row: HitlDetailRow) -> Result<HitlDetail, ApiError> {
        Ok(HitlDetail { task_instance: row.instance.try_into()?, detail: row.detail.try_into()? })
    }
}

/// What one try of a task instance asked.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HITLDetailHistory)]
pub(crate) struct HitlDetailHistory {
    task_instance: TaskInstanceHistoryResponse,
    #[serde(flatten)]
    detail: AskedAndAnswered,
}

impl HitlDetailHistory {
    /// What the try of that number asked; none when there is no such try.
    pub(crate) fn new(
        detail: hitl_detail::Model,
        tries: &Tries,
        try_number: i32,
    ) -> Result<Option<HitlDetailHistory>, ApiError> {
        let Tries { latest, earlier } = tries;
        let task_instance = match earlier.iter().find(|earlier| earlier.try_number == try_number) {
            Some(earlier) => TaskInstanceHistoryResponse::earlier(earlier, &latest.run)?,
            // One that goes on in another process is counted anew when it does.
            None if try_number >= latest.instance.try_number => {
                TaskInstanceHistoryResponse::latest(latest.instance.clone(), &latest.run)?
            }
            None => return Ok(None),
        };
        Ok(Some(HitlDetailHistory { task_instance, detail: detail.try_into()? }))
    }
}

/// A page of what tasks ask.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HITLDetailCollection)]
pub(crate) struct HitlDetailCollection {
    pub(crate) hitl_details: Vec<HitlDetail>,
    pub(crate) total_entries: u64,
}

/// An answer that was taken.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HITLDetailResponse)]
pub(crate) struct HitlDetailResponse {
    responded_by: HitlUser,
    responded_at: DateTime,
    #[schema(min_items = 1)]
    chosen_options: Vec<String>,
    #[schema(value_type = Object)]
    params_input: Map<String, Value>,
}

impl From<Answer> for HitlDetailResponse {
    fn from(answer: Answer) -> HitlDetailResponse {
        HitlDetailResponse {
            responded_by: user(answer.responded_by),
            responded_at: DateTime(answer.responded_at),
            chosen_options: answer.chosen_options,
            params_input: answer.params_input,
        }
    }
}
