//! A question that a try of a task asks of people, with its answer (Airflow 3: human in the loop).

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "hitl_detail")]
pub struct Model {
    /// The run's key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub dag_run_id: Uuid,
    /// The task.
    #[sea_orm(primary_key, auto_increment = false)]
    pub task_id: String,
    /// The index within a mapped task; -1 when not mapped.
    #[sea_orm(primary_key, auto_increment = false)]
    pub map_index: i32,
    /// The try that asks; one that is made again after its process was lost asks nothing anew.
    #[sea_orm(primary_key, auto_increment = false)]
    pub try_number: i32,
    /// The question, in one line.
    pub subject: String,
    /// What one has to know to answer it, in Markdown.
    pub body: Option<String>,
    /// What can be answered, as a list of texts.
    pub options: Json,
    /// What is answered when nobody does in time, as a list of texts.
    pub defaults: Option<Json>,
    /// Whether several options may be chosen.
    pub multiple: bool,
    /// What else is asked for: by name `value`, `description` and `schema`.
    pub params: Json,
    /// Who may answer, as a list of `id` and `name`; everybody when empty.
    pub assigned_users: Json,
    /// When it was asked.
    pub created_at: DateTimeUtc,
    /// When it was answered.
    pub responded_at: Option<DateTimeUtc>,
    /// Who answered; nobody when the time was up.
    pub responded_by: Option<String>,
    /// The answer, as a list of texts.
    pub chosen_options: Option<Json>,
    /// What else was answered, by name.
    pub params_input: Option<Json>,
}

/// Rows are joined by hand where that is needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
