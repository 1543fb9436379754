//! What is in the way of a task instance.

use scheduler::run::Obstacle;
use serde::Serialize;
use utoipa::ToSchema;

/// Something that is in the way.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TaskDependencyResponse {
    /// The dependency that is not met, in Airflow's words.
    name: String,
    reason: String,
    /// What a person can do about it (Updraft's own); null when waiting is all there is to do.
    remedy: Option<String>,
}

impl From<Obstacle> for TaskDependencyResponse {
    fn from(obstacle: Obstacle) -> TaskDependencyResponse {
        TaskDependencyResponse {
            name: obstacle.dependency.to_owned(),
            reason: obstacle.reason,
            remedy: obstacle.remedy,
        }
    }
}

/// Everything that is in the way.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TaskDependencyCollectionResponse {
    pub(crate) dependencies: Vec<TaskDependencyResponse>,
}
