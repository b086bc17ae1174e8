//! The native kernel of Tailrace: bytes of load-balancer logs to records.
//!
//! Layouts are declared in Python (`tailrace.formats`) and come here as a plan; the kernel knows no vendor. It follows
//! the reference twin (`tailrace.kernel.reference`), which is its specification: same records, same rejects, same order.

pub mod arrow;
pub mod block;
pub mod building;
pub mod cells;
pub mod columns;
pub mod direct;
pub mod escapes;
pub mod fast;
pub mod filter;
pub mod ids;
pub mod keys;
pub mod lending;
pub mod memo;
pub mod ndjson;
pub mod numbers;
pub mod objects;
pub mod parser;
pub mod parts;
pub mod pool;
pub mod reading;
pub mod redact;
pub mod select;
pub mod spec;
pub mod straight;
pub mod syslog;
pub mod template;
pub mod times;
pub mod trying;
pub mod usual;
pub mod values;
pub mod words;

#[cfg(feature = "python")]
mod python;
