//! The API from outside: requests in, status codes and bodies out.

mod openapi;
