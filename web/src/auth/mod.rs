//! Sign-in: one user, tokens as Airflow's simple auth manager makes them, and what keeps strangers out.
//!
//! A token comes as `Authorization: Bearer …`, which wins, or in the cookie `_token`, which scripts cannot read and other
//! sites cannot send along with a change (see [`origin`]).

mod credentials;
mod guesses;
mod login;
mod origin;
mod require;
mod sessions;
mod token;

pub(crate) use login::{
    __path_create_token, __path_create_token_all_admins, __path_create_token_cli, __path_login, __path_logout,
    __path_sign_in, __path_sign_out, create_token, create_token_all_admins, create_token_cli, login, logout, sign_in,
    sign_out,
};
pub(crate) use require::{User, require_user};
pub(crate) use sessions::Sessions;
