//! What is seen of a Job and its pods, and what people should know of it.

use serde_json::Value;

/// How a Job stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum JobState {
    /// It is not over.
    UnderWay,
    /// It has done what it was to do.
    Complete,
    /// It has failed, for this reason.
    Failed(String),
}

/// How a Job stands, from what the cluster says of it.
pub(super) fn job_state(job: &Value) -> JobState {
    let conditions = job["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let holds = |kind: &str| conditions.iter().find(|it| it["type"] == kind && it["status"] == "True");
    if holds("Complete").is_some() {
        return JobState::Complete;
    }
    match holds("Failed") {
        Some(condition) => JobState::Failed(with_message(text(&condition["reason"]), text(&condition["message"]))),
        None => JobState::UnderWay,
    }
}

/// A pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pod {
    pub(super) name: String,
    phase: String,
    /// Why it is not well, if it says so itself (`Evicted`).
    reason: String,
    /// Why no node takes it.
    unschedulable: Option<String>,
    /// Its containers, those that run before the others first.
    pub(super) containers: Vec<Container>,
}

/// A container of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Container {
    pub(super) name: String,
    image: String,
    pub(super) state: ContainerState,
}

/// How a container stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ContainerState {
    Waiting { reason: String, message: String },
    Running,
    Ended { exit_code: i32, reason: String, message: String },
}

impl Pod {
    /// What the cluster says of a pod.
    pub(super) fn of(pod: &Value) -> Pod {
        let status = &pod["status"];
        let list = |key: &str| status[key].as_array().map(Vec::as_slice).unwrap_or_default();
        let containers = list("initContainerStatuses").iter().chain(list("containerStatuses")).map(Container::of);
        let unschedulable = list("conditions")
            .iter()
            .find(|condition| condition["type"] == "PodScheduled" && condition["status"] == "False")
            .map(|condition| text(&condition["message"]).to_owned());
        Pod {
            name: text(&pod["metadata"]["name"]).to_owned(),
            phase: text(&status["phase"]).to_owned(),
            reason: with_message(text(&status["reason"]), text(&status["message"])),
            unschedulable,
            containers: containers.collect(),
        }
    }

    /// Whether one of its containers has begun.
    pub(super) fn has_begun(&self) -> bool {
        self.phase != "Pending" || self.containers.iter().any(|it| !matches!(it.state, ContainerState::Waiting { .. }))
    }

    /// How it stands, in one line.
    pub(super) fn shown(&self) -> String {
        let waits = self.containers.iter().find_map(|container| match &container.state {
            ContainerState::Waiting { reason, .. } if !reason.is_empty() => Some(reason.as_str()),
            _ => None,
        });
        match waits.or(self.unschedulable.as_ref().map(|_| "Unschedulable")) {
            Some(reason) => format!("{} ({reason})", self.phase),
            None => self.phase.clone(),
        }
    }

    /// Why it does not begin, with the cure.
    pub(super) fn hindrance(&self) -> Option<String> {
        if let Some(message) = &self.unschedulable {
            return Some(format!(
                "no node takes pod {}: {message}; ask for less with `container_resources`, or for other nodes with \
                 `node_selector` and `tolerations`",
                self.name
            ));
        }
        self.containers.iter().find_map(|container| {
            let ContainerState::Waiting { reason, message } = &container.state else { return None };
            let said = with_message(reason, message);
            match reason.as_str() {
                "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull" => Some(format!(
                    "the image `{}` cannot be pulled ({said}); look at its name, and at `image_pull_secrets`",
                    container.image
                )),
                "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => Some(format!(
                    "container `{}` of pod {} cannot be made ({said}); look at what it names of Secrets, ConfigMaps and \
                     volumes, and at `cmds`",
                    container.name, self.name
                )),
                _ => None,
            }
        })
    }

    /// Why it failed, if it did, and the exit code of the container `base` if it is that one's fault.
    pub(super) fn failure(&self, base: &str) -> Option<(String, Option<i32>)> {
        let failed = self.containers.iter().find_map(|container| match &container.state {
            ContainerState::Ended { exit_code, reason, message } if *exit_code != 0 => {
                Some((container, *exit_code, reason.as_str(), message.as_str()))
            }
            _ => None,
        });
        let Some((container, exit_code, reason, message)) = failed else {
            return (self.phase == "Failed").then(|| (format!("pod {} failed: {}", self.name, self.reason), None));
        };
        let mut words = format!("container `{}` of pod {} ended with exit code {exit_code}", container.name, self.name);
        if reason == "OOMKilled" {
            words += ": it needed more memory than it may have; raise `container_resources`";
        } else if !matches!(reason, "" | "Error") {
            words = format!("{words} ({reason})");
        }
        if !message.is_empty() {
            words = format!("{words}: {}", message.trim());
        }
        if !self.reason.is_empty() {
            words = format!("{words}; {}", self.reason);
        }
        Some((words, (container.name == base).then_some(exit_code)))
    }
}

impl Container {
    fn of(status: &Value) -> Container {
        let state = &status["state"];
        let state = if let Some(ended) = state.get("terminated") {
            ContainerState::Ended {
                exit_code: ended["exitCode"].as_i64().and_then(|code| i32::try_from(code).ok()).unwrap_or(-1),
                reason: text(&ended["reason"]).to_owned(),
                message: text(&ended["message"]).to_owned(),
            }
        } else if state.get("running").is_some() {
            ContainerState::Running
        } else {
            let waits = &state["waiting"];
            ContainerState::Waiting {
                reason: text(&waits["reason"]).to_owned(),
                message: text(&waits["message"]).to_owned(),
            }
        };
        Container { name: text(&status["name"]).to_owned(), image: text(&status["image"]).to_owned(), state }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A reason, which is a word, and the message that says more.
fn with_message(reason: &str, message: &str) -> String {
    match (reason, message.trim()) {
        (reason, "") => reason.to_owned(),
        ("", message) => message.to_owned(),
        (reason, message) => format!("{reason}: {message}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "it is written on the spot")]
    fn pod(phase: &str, state: Value) -> Pod {
        Pod::of(&json!({
            "metadata": { "name": "p-1" },
            "status": { "phase": phase, "containerStatuses": [{ "name": "base", "image": "acme/x:1", "state": state }] },
        }))
    }

    #[test]
    fn conditions_say_how_a_job_stands() {
        let job = |conditions: Value| job_state(&json!({ "status": { "conditions": conditions } }));
        assert_eq!(job_state(&json!({})), JobState::UnderWay);
        assert_eq!(job(json!([{ "type": "Complete", "status": "False" }])), JobState::UnderWay);
        assert_eq!(job(json!([{ "type": "Complete", "status": "True" }])), JobState::Complete);
        let failed = json!([{ "type": "FailureTarget", "status": "True" }, {
            "type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": "Job was active longer than ...",
        }]);
        assert_eq!(job(failed), JobState::Failed("DeadlineExceeded: Job was active longer than ...".to_owned()));
    }

    #[test]
    fn what_hinders_a_pod_is_said_with_its_cure() {
        let waits = |reason: &str| pod("Pending", json!({ "waiting": { "reason": reason, "message": "no such tag" } }));
        let image = waits("ImagePullBackOff").hindrance().unwrap();
        assert!(image.starts_with("the image `acme/x:1` cannot be pulled (ImagePullBackOff: no such tag)"), "{image}");
        assert!(waits("CreateContainerConfigError").hindrance().unwrap().contains("Secrets, ConfigMaps"));
        assert_eq!(waits("ContainerCreating").hindrance(), None);
        assert_eq!(waits("ContainerCreating").shown(), "Pending (ContainerCreating)");
        assert!(!waits("ContainerCreating").has_begun());
        let unschedulable = Pod::of(&json!({ "metadata": { "name": "p-1" }, "status": {
            "phase": "Pending",
            "conditions": [{ "type": "PodScheduled", "status": "False", "message": "0/3 nodes: Insufficient cpu." }],
        } }));
        assert!(unschedulable.hindrance().unwrap().starts_with("no node takes pod p-1: 0/3 nodes: Insufficient cpu.;"));
        assert_eq!(unschedulable.shown(), "Pending (Unschedulable)");
    }

    #[test]
    fn what_ended_badly_says_why() {
        let ended = |code: i32, reason: &str| {
            pod("Failed", json!({ "terminated": { "exitCode": code, "reason": reason } })).failure("base")
        };
        let plain = "container `base` of pod p-1 ended with exit code 3".to_owned();
        assert_eq!(ended(3, "Error"), Some((plain, Some(3))));
        let memory = ended(137, "OOMKilled").unwrap();
        assert!(memory.0.contains("raise `container_resources`") && memory.1 == Some(137), "{memory:?}");
        assert_eq!(pod("Succeeded", json!({ "terminated": { "exitCode": 0 } })).failure("base"), None);
        assert_eq!(pod("Failed", json!({ "terminated": { "exitCode": 1 } })).failure("other").unwrap().1, None);
        let evicted = Pod::of(&json!({ "metadata": { "name": "p-1" }, "status": {
            "phase": "Failed", "reason": "Evicted", "message": "The node was low on memory.",
        } }));
        let said = "pod p-1 failed: Evicted: The node was low on memory.".to_owned();
        assert_eq!(evicted.failure("base"), Some((said, None)));
    }
}
