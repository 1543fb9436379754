//! Which types of connections there are, and what their forms ask for.

use axum::Json;
use axum::extract::State;

use crate::state::AppState;
use crate::view::{ConnectionTypeCollectionResponse, ConnectionTypeResponse};

/// List the types of connections that this Updraft knows. A connection may have any other type, too.
#[utoipa::path(
    get,
    path = "/api/v2/updraft/connection-types",
    operation_id = "list_connection_types",
    tag = "Updraft",
    responses((status = 200, description = "All types, by name", body = ConnectionTypeCollectionResponse)),
)]
pub(crate) async fn list_connection_types(State(app): State<AppState>) -> Json<ConnectionTypeCollectionResponse> {
    let connection_types: Vec<ConnectionTypeResponse> =
        app.catalog.registry().connection_types().map(ConnectionTypeResponse::from).collect();
    let total_entries = connection_types.len() as u64;
    Json(ConnectionTypeCollectionResponse { connection_types, total_entries })
}
