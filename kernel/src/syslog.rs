//! Syslog headers: RFC 5424, RFC 3164 with and without a host, `HAProxy`'s other forms, and what rsyslog writes.

use crate::cells::is_digits;
use crate::spec::Zone;
use crate::template::{Place, word_end as end_of_word};
use crate::times::{self, Moment, Stamps};

/// What a syslog header says, and where the text behind it begins. Places are within the line.
#[derive(Default, Clone, Copy)]
pub struct Header {
    /// Where the text begins.
    pub text_at: usize,
    /// Its time, and where that stands.
    pub moment: Option<(Moment, usize)>,
    /// Priority, host, program, process id.
    pub values: [Option<Place>; 4],
}

/// The header of a line; an empty one if it has none.
#[must_use]
pub fn read(line: &[u8], reference: i64, zone: &Zone, stamps: &mut Stamps) -> Header {
    let mut header = Header::default();
    let mut at = 0;
    if let Some(end) = priority(line) {
        let zeros = line[1..end - 2].iter().take_while(|&&digit| digit == b'0').count();
        header.values[0] = Some((1 + zeros, end - 1));
        at = end;
        if line[at..].starts_with(b"1 ")
            && let Some(modern) = modern(line, at + 2, header.values[0], stamps)
        {
            return modern;
        }
    }
    header.text_at = at;
    let mut moment = stamps.read_syslog(&line[at..], reference, zone);
    if moment.is_none() && line.get(at + 4) == Some(&b'-') {
        moment = times::read(&line[at..], zone);
    }
    let Some(moment) = moment else { return header };
    if line.get(at + moment.len) != Some(&b' ') {
        return header;
    }
    header.moment = Some((moment, at));
    named(line, at + moment.len + 1, &mut header);
    header
}

/// Where `<134>` ends.
fn priority(line: &[u8]) -> Option<usize> {
    let end = line.iter().take(5).position(|&byte| byte == b'>')?;
    (line[0] == b'<' && is_digits(&line[1..end])).then_some(end + 1)
}

/// Host and tag behind the time, either of which may be missing.
fn named(line: &[u8], at: usize, header: &mut Header) {
    let mut host = None;
    let mut found = tag(line, at);
    if found.is_none() {
        let end = at + line[at..].iter().take_while(|&&byte| byte > b' ' && !matches!(byte, b'[' | b']')).count();
        if end > at && line.get(end) == Some(&b' ') {
            host = Some((at, end));
            found = tag(line, end + 1);
        }
    }
    let Some((program, pid, end)) = found else {
        header.text_at = at;
        return;
    };
    header.text_at = end;
    header.values[1] = host.and_then(|host| said(line, host));
    header.values[2] = said(line, program);
    header.values[3] = pid.and_then(|pid| said(line, pid));
}

/// `name[pid]: `, `name[pid]`, `name: `: name, process id, and where the text begins.
fn tag(line: &[u8], at: usize) -> Option<(Place, Option<Place>, usize)> {
    let end = word_end(line, at);
    if end == at {
        return None;
    }
    let (pid, mut after) = match line.get(end) {
        Some(b'[') => {
            let close = word_end(line, end + 1);
            if line.get(close) != Some(&b']') {
                return None;
            }
            (Some((end + 1, close)), close + 1 + usize::from(line.get(close + 1) == Some(&b':')))
        }
        Some(b':') if matches!(line.get(end + 1), None | Some(b' ')) => (None, end + 1),
        _ => return None,
    };
    after += usize::from(line.get(after) == Some(&b' '));
    Some(((at, end), pid, after))
}

fn word_end(line: &[u8], at: usize) -> usize {
    at + line[at..].iter().take_while(|&&byte| byte > b' ' && !matches!(byte, b'[' | b']' | b':')).count()
}

/// RFC 5424 behind its version: time, host, program, process, message id, structured data.
fn modern(line: &[u8], mut at: usize, priority: Option<Place>, stamps: &mut Stamps) -> Option<Header> {
    let mut fields = [(0, 0); 5];
    for field in &mut fields {
        let end = end_of_word(line, at, b" ");
        if end == at || end == line.len() {
            return None;
        }
        *field = (at, end);
        at = end + 1;
    }
    let (from, to) = fields[0];
    let moment = if &line[from..to] == b"-" { None } else { Some((stamps.read_whole(&line[from..to])?, from)) };
    let mut text_at = structured(line, at)?;
    text_at += usize::from(line.get(text_at) == Some(&b' '));
    if line[text_at..].starts_with(b"\xef\xbb\xbf") {
        text_at += 3;
    }
    let values = [priority, said(line, fields[1]), said(line, fields[2]), said(line, fields[3])];
    Some(Header { text_at, moment, values })
}

/// Where the structured data ends: a dash, or elements in brackets.
fn structured(line: &[u8], at: usize) -> Option<usize> {
    let mut end = at;
    if line.get(at) == Some(&b'-') {
        end += 1;
    } else {
        while line.get(end) == Some(&b'[') {
            let Some(close) = element_end(line, end + 1) else { break };
            end = close;
        }
        if end == at {
            return None;
        }
    }
    matches!(line.get(end), None | Some(b' ')).then_some(end)
}

/// Behind the bracket that closes an element; brackets in quotes do not.
fn element_end(line: &[u8], mut at: usize) -> Option<usize> {
    let mut quoted = false;
    while let Some(&byte) = line.get(at) {
        match byte {
            b'\\' if quoted => at += 1,
            b'"' => quoted = !quoted,
            b']' if !quoted => return Some(at + 1),
            _ => {}
        }
        at += 1;
    }
    None
}

fn said(line: &[u8], (from, to): Place) -> Option<Place> {
    (from < to && &line[from..to] != b"-").then_some((from, to))
}
