//! The kernel beside its reference twin: both tell the same of the same bytes. The coverage of the kernel guides.
//!
//! The twin answers from a process of its own, started once by the command line in `TAILRACE_FUZZ_TWIN`.

#![no_main]

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock};

use libfuzzer_sys::fuzz_target;
use tailrace_kernel_fuzz::{Input, told};

struct Twin {
    _process: Child,
    asked: ChildStdin,
    answers: ChildStdout,
}

impl Twin {
    fn start() -> Self {
        let command = std::env::var("TAILRACE_FUZZ_TWIN").expect("TAILRACE_FUZZ_TWIN is set by kernel/fuzz/run");
        let mut words = command.split('\n');
        let program = words.next().unwrap_or_default();
        let mut process = Command::new(program)
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        let (asked, answers) = (process.stdin.take().expect("a pipe"), process.stdout.take().expect("a pipe"));
        Self { _process: process, asked, answers }
    }

    fn ask(&mut self, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        self.asked.write_all(&[&(bytes.len() as u32).to_le_bytes(), bytes].concat())?;
        self.asked.flush()?;
        let mut length = [0; 4];
        self.answers.read_exact(&mut length)?;
        let mut answer = vec![0; u32::from_le_bytes(length) as usize];
        self.answers.read_exact(&mut answer)?;
        Ok(answer)
    }
}

fuzz_target!(|bytes: &[u8]| {
    static TWIN: OnceLock<Mutex<Twin>> = OnceLock::new();
    let Some(input) = Input::new(bytes) else { return };
    let ours = told(&input, &input.seen());
    let mut twin = TWIN.get_or_init(|| Mutex::new(Twin::start())).lock().expect("no panic before");
    let theirs = twin.ask(bytes).expect("the twin answers");
    if ours != theirs {
        let (ours, theirs) = (String::from_utf8_lossy(&ours), String::from_utf8_lossy(&theirs));
        for (number, (our, their)) in ours.lines().zip(theirs.lines()).enumerate().filter(|(_, (a, b))| a != b).take(3)
        {
            eprintln!("line {number}\n  kernel: {our}\n  twin:   {their}");
        }
        panic!("{} lines from the kernel, {} from its twin", ours.lines().count(), theirs.lines().count());
    }
});
