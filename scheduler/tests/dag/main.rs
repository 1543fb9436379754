//! DAG files, timetables, params and templates, from outside.

mod documentation;
mod fixtures;
mod params;
mod properties;
mod spec;
mod template;
mod timetable;
