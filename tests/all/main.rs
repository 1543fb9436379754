//! Tests of Updraft as its users meet it: the real binary, real databases, real signals.

mod architecture;
mod bad_input;
mod command_line;
mod durability;
mod pipeline;
mod scheduling;
mod server;
