//! What an operator sees: logs, a span a request, metrics.

pub mod logs;
pub mod metrics;
pub(crate) mod request;
