//! The kernel alone: whatever the bytes, the pieces and the plan, it does not panic, and what it tells can be true.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tailrace_kernel_fuzz::{Input, check, check_seen};

fuzz_target!(|bytes: &[u8]| {
    if let Some(input) = Input::new(bytes) {
        check(&input, &input.batches());
        check_seen(&input);
    }
});
