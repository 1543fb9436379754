//! The data operators from outside, through the registry, as the engine calls them.

mod cases;
mod cleaning;
mod context;
mod golden;
mod landing;
mod lake;
mod queries;
mod reference;
mod s3;
mod sample;
