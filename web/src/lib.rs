//! The web server: Airflow's REST API v2, sign-in, live updates, and the web UI.
//!
//! ```text
//!   request ──headers, request id──> auth ──> routes ──one read, or one call──> scheduler::{store::read, control}
//!                                               │
//!                                               └──> view ──> JSON as Airflow writes it
//! ```
//!
//! Paths, fields, status codes and error bodies are those of Airflow 3.3's stable API (`/api/v2`), so that its clients
//! work unchanged; what Updraft adds is under `/api/v2/updraft`. What is served is described by [`openapi`], which is
//! made from the handlers and committed as `web/openapi.json`.
//!
//! **Invariant:** the browser can do nothing that `curl` with the same token cannot.
//!
//! **Invariant:** every change goes through [`scheduler::control::Control`], which writes it to the audit log; this crate
//! only reads the database.

mod auth;
mod document;
mod error;
mod hex;
mod hygiene;
mod request;
mod router;
mod routes;
mod serve;
mod state;
mod timestamp;
mod try_log;
mod ui_files;
mod view;

pub use document::openapi;
pub use router::build_router;
pub use serve::serve;
pub use state::{AppState, AuthSettings};
