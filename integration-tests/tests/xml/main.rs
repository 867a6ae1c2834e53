//! libxml2 under calls: it waits for a document that arrives piece by piece, and for who is told of
//! its elements.

mod document;
mod elements;
mod errors;
mod panicking;
mod parser;
mod stopped;
