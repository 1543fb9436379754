//! Tries that workers make: handed out through the database, and heard of through it.

use std::collections::HashSet;
use std::sync::Arc;

use uuid::Uuid;

use super::Execution;
use super::active_run::Place;
use super::coordinator::Coordinator;
use super::executor::Report;
use super::outcome::Outcome;
use crate::bus::Message;
use crate::operator::TaskKey;
use crate::run::{Event, InstanceIndex, Limit, TaskState};
use crate::store::entity::task_try;
use crate::store::leases::Kind;
use crate::store::tries::{self, TryBatch};
use crate::store::{StoreError, commit, leases};

/// Tries that are heard of in one turn.
const NEWS_MAX: u64 = 1000;

impl Coordinator {
    /// Has a try written down for the workers, in the commit that makes its task instance `queued`.
    pub(super) fn hand_out(&mut self, run: Uuid, at: InstanceIndex, try_id: Uuid) {
        let now = self.settings.clock.now();
        let Some(active) = self.runs.get(&run) else { return };
        let instance = active.run.instance(at);
        let task = active.run.dag.task(at.task);
        self.handed_out.insert(try_id);
        self.pending.tries.queued.push(task_try::Model {
            try_id,
            dag_run_id: run,
            task_id: task.task_id.clone(),
            map_index: at.map_index,
            try_number: i32::try_from(instance.try_number).unwrap_or(i32::MAX),
            dag_version_id: active.row.dag_version_id,
            queue: task.queue.clone(),
            priority_weight: active.run.dag.weight(at.task),
            ordered_at: now,
            worker: None,
            hostname: None,
            pid: None,
            started_at: None,
            resumes_from: instance.resumes_from(),
            deferral: None,
            is_seen: false,
            is_cancelled: false,
            outcome: None,
            ended_at: None,
        });
    }

    /// Lets workers know that there is something for them, now that it is durable.
    pub(super) fn tell_workers(&mut self, written: &TryBatch) {
        for try_id in &written.done {
            self.handed_out.remove(try_id);
        }
        // What no worker had taken is over by having been cancelled.
        self.todo.tries |= !written.cancelled.is_empty();
        let Some(bus) = &self.settings.bus else { return };
        if !written.queued.is_empty() || !written.cancelled.is_empty() {
            bus.send(Message::Work);
        }
    }

    /// Hears which tries workers took, and how tries ended.
    pub(super) async fn hear_of_tries(&mut self) -> Result<(), StoreError> {
        if self.settings.bus.is_none() {
            // Without other processes there are no workers.
            self.todo.tries = false;
            return Ok(());
        }
        let news = tries::news(self.settings.db.read(), NEWS_MAX).await?;
        self.todo.tries = news.len() as u64 >= NEWS_MAX;
        for told in news {
            self.hear_of(told);
        }
        Ok(())
    }

    fn hear_of(&mut self, told: task_try::Model) {
        let run = told.dag_run_id;
        if !told.is_seen {
            self.hear_of_start(&told);
        }
        let Some(outcome) = told.outcome else {
            let TryBatch { seen, deferred, .. } = &mut self.pending.tries;
            if told.deferral.is_some() {
                deferred.push(told.try_id);
            } else {
                seen.push(told.try_id);
            }
            return;
        };
        self.pending.tries.done.push(told.try_id);
        let Some(active) = self.runs.get(&run) else { return };
        let (dag_id, run_id) = (active.row.dag_id.clone(), active.row.run_id.clone());
        let Outcome { end, xcoms, outlet_events, rendered } = Outcome::read(outcome.0);
        let key = Arc::new(TaskKey { dag_id, run_id, task_id: told.task_id, map_index: told.map_index });
        self.on_report(Report { run, key, try_id: told.try_id, end, xcoms, outlet_events, rendered });
    }

    /// Hears that a try has begun, or only waits.
    fn hear_of_start(&mut self, told: &task_try::Model) {
        let (run, try_id) = (told.dag_run_id, told.try_id);
        let Some(active) = self.runs.get_mut(&run) else { return };
        let Some(at) = active.index_of(&told.task_id, told.map_index) else { return };
        let state = active.waiting_state(at, self.settings.catalog.registry());
        if told.started_at.is_some() {
            let place = Place {
                hostname: told.hostname.clone().unwrap_or_default(),
                pid: told.pid.and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0),
            };
            active.set_place(at, Some(place));
            self.step(run, Event::TryStarted { at, try_id });
        }
        if let Some(reason) = told.deferral.clone() {
            self.step(run, Event::TryDeferred { at, try_id, reason, state });
        }
    }

    /// Notes the tries of these runs that workers make, or will; others that their instances count as held are lost.
    pub(super) async fn note_handed_out(&mut self, runs: &[Uuid]) -> Result<(), StoreError> {
        if self.settings.bus.is_none() || runs.is_empty() {
            return Ok(());
        }
        let rows = tries::of_runs(self.settings.db.read(), runs).await?;
        if self.settings.execution == Execution::Here {
            // There may be no workers any more, and this process makes tries itself.
            let waiting = rows.iter().filter(|row| row.worker.is_none()).map(|row| row.try_id);
            self.pending.tries.cancelled.extend(waiting);
        }
        self.handed_out.extend(rows.into_iter().map(|row| row.try_id));
        Ok(())
    }

    /// Says of tries that no worker has taken yet why that is.
    pub(super) async fn explain_queued(&mut self) -> Result<(), StoreError> {
        if self.settings.execution != Execution::Workers {
            return Ok(());
        }
        let living = leases::living(self.settings.db.read()).await?;
        let workers = living.iter().filter(|lease| lease.kind == Kind::Worker.word() && !lease.is_draining);
        let queues = workers.filter_map(|worker| worker.queues.as_ref()?.as_array()).flatten();
        let served: HashSet<&str> = queues.filter_map(serde_json::Value::as_str).collect();
        for (&id, active) in &mut self.runs {
            let queued = active.run.instances().filter(|(_, instance)| instance.state == TaskState::Queued);
            let queued: Vec<InstanceIndex> = queued.map(|(at, _)| at).collect();
            for at in queued {
                let queue = active.run.dag.task(at.task).queue.clone();
                let is_served = served.contains(queue.as_str());
                let limit = if is_served { Limit::WorkersBusy { queue } } else { Limit::NoWorker { queue } };
                if active.run.explain(at, Some(&limit.to_string())) {
                    self.pending.touch_instances(id, [at]);
                }
            }
        }
        Ok(())
    }

    /// Takes over from processes that are dead: their runs belong to nobody now, and their tries are lost.
    pub(super) async fn take_over_from_dead(&mut self) -> Result<(), StoreError> {
        let dead: Vec<Uuid> = self.todo.dead.iter().copied().collect();
        let txn = self.settings.db.begin_write().await?;
        let count = leases::lapse(&txn, Some(self.lease()), &self.settings.holder.instance, &dead).await?;
        commit(txn).await?;
        if count > 0 {
            tracing::warn!("{count} processes are gone; what they did is taken up by others");
        }
        self.todo.dead.clear();
        self.todo.adopt = true;
        self.todo.tries = true;
        Ok(())
    }
}
