//! `http_sensor`: waits until a server answers as wanted.
//!
//! ```yaml
//! - task_id: report_is_ready
//!   operator: http_sensor
//!   conn_id: shop
//!   endpoint: /reports/{{ ds }}
//!   response_check: json.state == "done"
//!   poke_interval: 30s
//! ```

use std::sync::Arc;

use scheduler::operator::{AirflowClass, ArgumentProblem, Operator, Outcome, TaskContext, TaskError};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use super::arguments::Patience;
use super::wait::{Rhythm, Sight, Watch};
use crate::http::{Caller, Destination, Expressions, NAMES, Request, RequestArgs, Statuses, of_any_class};
use crate::shapes::With;

/// An answer is looked at, not kept.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The `http_sensor` operator.
pub struct HttpSensor {
    looks: Arc<Semaphore>,
}

impl HttpSensor {
    /// With as many looks at a time as `looks` allows.
    pub fn new(looks: Arc<Semaphore>) -> HttpSensor {
        HttpSensor { looks }
    }
}

/// Arguments of the `http_sensor` operator, beside those of its request.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpSensorArgs {
    /// An expression over `status`, `headers` (names in lower case), `text` and `json`, which holds when it need not wait any
    /// more. Without one, a success will do.
    #[serde(default)]
    response_check: Option<String>,
    /// Statuses that mean "not yet": numbers, or classes such as `5xx`. Any other that is no success is an error.
    #[serde(default = "Statuses::not_found")]
    response_error_codes_allowlist: Statuses,
}

impl Operator for HttpSensor {
    const NAME: &'static str = "http_sensor";
    const SUMMARY: &'static str = "Waits until a server answers as wanted.";
    type Args = With<Patience, With<RequestArgs, HttpSensorArgs>>;

    fn airflow_classes() -> Vec<AirflowClass> {
        let class = AirflowClass::named("airflow.providers.http.sensors.http.HttpSensor");
        vec![of_any_class(class).renamed("request_params", "data")]
    }

    async fn execute(&self, args: Self::Args, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let With { own: With { common, own }, common: patience } = args;
        let request = common.request(ctx).await?;
        let look = Look {
            caller: common.caller(ctx)?,
            takes_every: common.takes_every_status(),
            args: &own,
            request: &request,
        };
        let watch = Watch {
            patience: &patience,
            ctx,
            awaited: format!("the answer of {}", request.shown()),
            rhythm: Rhythm::Intervals(Arc::clone(&self.looks)),
        };
        watch.until(|| look.once()).await
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        let mut problems = Patience::check(args);
        problems.extend(RequestArgs::check(args));
        problems.extend(Expressions::check(args, &["/response_check"], NAMES));
        if args.contains_key("retry_for") {
            problems.push(ArgumentProblem {
                pointer: "/retry_for".to_owned(),
                message: "a sensor asks again by itself".to_owned(),
                help: Some("`silent_fail: true` goes on when the server is away or busy".to_owned()),
            });
        }
        problems
    }
}

struct Look<'a> {
    caller: Caller<'a>,
    takes_every: bool,
    args: &'a HttpSensorArgs,
    request: &'a Request,
}

impl Look<'_> {
    async fn once(&self) -> Result<Sight, TaskError> {
        let not_yet = &self.args.response_error_codes_allowlist;
        let wanted = Statuses::success().and(not_yet);
        let wanted = (!self.takes_every).then_some(&wanted);
        let asked = self.caller.once(self.request, wanted, Destination::Memory(ANSWER_BYTES_MAX)).await;
        // It looks again by itself, so nothing is repeated within a look; `retries` apply to what fails it.
        let answer = asked.map_err(crate::requests::Trouble::into_error)?;
        if !self.takes_every && not_yet.hold(answer.status) {
            return Ok(Sight::NotYet);
        }
        match &self.args.response_check {
            Some(expression) => Ok(Sight::of(answer.holds("response_check", expression)?)),
            None => Ok(Sight::There),
        }
    }
}
