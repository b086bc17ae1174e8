//! Times of day: ISO 8601, Apache's notation, seconds since 1970, and syslog's (RFC 3164). All in µs since 1970 UTC.

use crate::fast::{Cpu, WINDOW};
use crate::spec::Zone;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;
/// 0001-01-01 and the day after 9999-12-31, in µs.
const FIRST: i64 = -719_162 * DAY;
const END: i64 = 2_932_897 * DAY;
const YEARS_BACK: i64 = 8;
const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// A time as it was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moment {
    /// µs since 1970 UTC.
    pub us: i64,
    /// Where the digits of the second's fraction stand, and how many there are.
    fraction: (usize, usize),
    /// How many bytes it has.
    pub len: usize,
    /// The bytes are how it is written, but for a `Z` that may be missing.
    pub is_plain: bool,
}

impl Moment {
    /// RFC 3339 in UTC, with the digits of the fraction as they stand in `text`, where the time began at 0.
    #[must_use]
    pub fn format(&self, text: &[u8]) -> Vec<u8> {
        let seconds = self.us.div_euclid(SECOND);
        let (year, month, day) = civil(seconds.div_euclid(86_400));
        let second = seconds.rem_euclid(86_400);
        let mut out = Vec::with_capacity(32);
        digits(&mut out, year, 4);
        for (mark, value) in
            [(b'-', month), (b'-', day), (b'T', second / 3600), (b':', second / 60 % 60), (b':', second % 60)]
        {
            out.push(mark);
            digits(&mut out, value, 2);
        }
        let (start, len) = self.fraction;
        if len > 0 {
            out.push(b'.');
            out.extend_from_slice(&text[start..start + len]);
        }
        out.push(b'Z');
        out
    }
}

fn digits(out: &mut Vec<u8>, value: i64, width: u32) {
    for place in (0..width).rev() {
        out.push(b'0' + (value / 10_i64.pow(place)).rem_euclid(10).unsigned_abs() as u8);
    }
}

/// The day of a time, as ISO 8601 writes it.
#[must_use]
pub fn day_text(us: i64) -> String {
    let (year, month, day) = civil(us.div_euclid(DAY));
    format!("{year:04}-{month:02}-{day:02}")
}

/// The number of the day since 1970.
#[must_use]
pub fn day(us: i64) -> i64 {
    us.div_euclid(DAY)
}

/// Year, month and day of a day since 1970 (proleptic Gregorian; Howard Hinnant's algorithm).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The day since 1970, or None if there is no such day.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        _ => 31,
    };
    if !(1..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=last).contains(&day) {
        return None;
    }
    let shifted = year - i64::from(month <= 2);
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    Some(era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 719_468)
}

/// Reads the usual form of a time, and remembers its day: the lines of a log are mostly of one.
#[derive(Default)]
pub struct Days {
    date: [u8; 10],
    begin: Option<i64>,
    /// A time up to its minute that was read.
    minute: [u8; 16],
}

impl Days {
    /// The time that stands first in a window, if it is `YYYY-MM-DDTHH:MM:SS.ffffffZ`, in µs since 1970.
    #[inline(always)]
    pub fn read<C: Cpu>(&mut self, cpu: C, window: &[u8; WINDOW]) -> Option<i64> {
        const DIGITS: u32 = 0b011_1111_0110_1101_1011_0110_1111;
        let text: &[u8; 27] = window.first_chunk()?;
        if cpu.digits(window) & ((1 << 27) - 1) != DIGITS || text[19] != b'.' || text[26] != b'Z' {
            return None;
        }
        if [text[10], text[13], text[16]] != *b"T::" {
            return None;
        }
        let pair = |place: usize| i64::from(text[place] & 15) * 10 + i64::from(text[place + 1] & 15);
        let (hour, minute, second) = (pair(11), pair(14), pair(17));
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        if text[..10] != self.date || self.begin.is_none() {
            self.turn(text);
        }
        let micros = pair(20) * 10_000 + pair(22) * 100 + pair(24);
        Some(self.begin? * DAY + (hour * 3600 + minute * 60 + second) * SECOND + micros)
    }

    /// Whether a text is a time that `read` reads.
    #[inline(always)]
    pub fn is_read<C: Cpu>(&mut self, cpu: C, window: &[u8; WINDOW], len: usize) -> bool {
        const DIGITS: u32 = 0b011_1111_0110 << 16;
        let is_same = window.first_chunk() == Some(&self.minute);
        let digits = cpu.digits(window) & (0b111_1111_1111 << 16);
        let marks = [window[16], window[19], window[26]] == *b":.Z";
        if is_same & (digits == DIGITS) & marks & (window[17] < b'6') & (len == 27) {
            return true;
        }
        len == 27 && self.begin_minute(cpu, window)
    }

    #[inline(never)]
    fn begin_minute<C: Cpu>(&mut self, cpu: C, window: &[u8; WINDOW]) -> bool {
        let is_read = self.read(cpu, window).is_some();
        if let (true, Some(minute)) = (is_read, window.first_chunk()) {
            self.minute = *minute;
        }
        is_read
    }

    #[cold]
    fn turn(&mut self, text: &[u8; 27]) {
        self.date.copy_from_slice(&text[..10]);
        self.begin = iso(text).and_then(|fields| days(fields.date.0, fields.date.1, fields.date.2));
    }
}

/// Reads `DD/Mon/YYYY:HH:MM:SS.mmm`, as `HAProxy` writes its dates, and remembers the day.
#[derive(Default)]
pub struct Dates {
    day: [u8; 11],
    /// Its beginning, and how RFC 3339 writes it.
    begin: Option<i64>,
    text: [u8; 11],
}

impl Dates {
    /// How long these dates are.
    pub const LEN: usize = 24;

    /// The time in µs, as if it were UTC; None as well where that wants a closer look.
    #[inline]
    pub fn read(&mut self, text: &[u8; Self::LEN]) -> Option<i64> {
        let of_day = of_day(*text[12..20].first_chunk()?)?;
        let millis = tail_digits(*text[20..].first_chunk()?)?;
        if text[11] != b':' {
            return None;
        }
        if text[..11] != self.day || self.begin.is_none() {
            self.turn(text);
        }
        Some(self.begin? + of_day * SECOND + millis * 1000)
    }

    /// The date that was read last, in RFC 3339.
    #[inline]
    #[must_use]
    pub fn format(&self, text: &[u8; Self::LEN]) -> [u8; Self::LEN] {
        let mut out = [b'Z'; Self::LEN];
        out[..11].copy_from_slice(&self.text);
        out[11..23].copy_from_slice(&text[12..]);
        out
    }

    #[cold]
    fn turn(&mut self, text: &[u8; Self::LEN]) {
        self.day.copy_from_slice(&text[..11]);
        let begin = apache(text).and_then(|fields| days(fields.date.0, fields.date.1, fields.date.2));
        self.begin = begin.map(|day| day * DAY).filter(|begin| SAFE.contains(begin));
        if let Some(begin) = self.begin {
            self.text.copy_from_slice(format!("{}T", day_text(begin)).as_bytes());
        }
    }
}

/// Days whose times are such in any zone.
const SAFE: std::ops::Range<i64> = FIRST + 3 * DAY..END - 3 * DAY;

/// The second of the day that `HH:MM:SS` is, but for leap seconds.
#[inline]
fn of_day(text: [u8; 8]) -> Option<i64> {
    const DIGITS: u64 = 0x0f0f_000f_0f00_0f0f;
    let value = u64::from_le_bytes(text) ^ u64::from_le_bytes(*b"00:00:00");
    // A digit is at most 9: six more do not touch the upper half of its byte.
    if (value | value.wrapping_add(DIGITS & 0x0606_0606_0606_0606)) & !DIGITS != 0 {
        return None;
    }
    let pair = |at: u32| (value >> (8 * at) & 15) * 10 + (value >> (8 * at + 8) & 15);
    let (hour, minute, second) = (pair(0), pair(3), pair(6));
    (hour < 24 && minute < 60 && second < 60).then_some((hour * 3600 + minute * 60 + second).cast_signed())
}

/// The number that `.ddd` holds.
#[inline]
fn tail_digits(text: [u8; 4]) -> Option<i64> {
    let [point, rest @ ..] = text;
    let [hundreds, tens, ones] = rest.map(|byte| byte.wrapping_sub(b'0'));
    let value = i64::from(hundreds) * 100 + i64::from(tens) * 10 + i64::from(ones);
    (point == b'.' && hundreds < 10 && tens < 10 && ones < 10).then_some(value)
}

/// Reads what syslog headers begin with, and remembers what does not change with every line.
#[derive(Default)]
pub struct Stamps {
    /// Date and zone of the last ISO 8601 time with six digits behind the second, when its day began, and whether it
    /// was plain.
    date: [u8; 10],
    zone: [u8; 6],
    zone_len: usize,
    begin: Option<(i64, bool)>,
    /// The last time of RFC 3164.
    syslog: Option<([u8; 15], Moment)>,
}

impl Stamps {
    /// `read_whole` of an ISO 8601 time, which names its zone or is of UTC.
    #[inline]
    pub fn read_whole(&mut self, text: &[u8]) -> Option<Moment> {
        if let Some((head, zone)) = text.split_first_chunk::<26>()
            && let Some(of_day) = of_day(*head[11..19].first_chunk()?)
            && let Some(upper) = tail_digits(*head[19..].first_chunk()?)
            && let Some(lower) = tail_digits([b'.', head[23], head[24], head[25]])
        {
            let is_same = zone.len() == self.zone_len && zone == &self.zone[..self.zone_len.min(6)];
            let of_day = of_day * SECOND + upper * 1000 + lower;
            if head[10] == b'T'
                && is_same
                && head[..10] == self.date
                && let Some((begin, is_plain)) = self.begin
            {
                return Some(Moment { us: begin + of_day, fraction: (20, 6), len: text.len(), is_plain });
            }
            return self.turn(text, of_day);
        }
        read_whole(text, &Zone::utc())
    }

    #[cold]
    fn turn(&mut self, text: &[u8], of_day: i64) -> Option<Moment> {
        let moment = read_whole(text, &Zone::utc())?;
        let zone = &text[26..];
        let begin = moment.us - of_day;
        // Only ISO 8601 has a T there, and the zone decides all else about the other times of that day.
        let is_whole = !zone.first().is_some_and(u8::is_ascii_digit);
        if text[10] == b'T' && is_whole && zone.len() <= self.zone.len() && SAFE.contains(&begin) {
            self.date.copy_from_slice(&text[..10]);
            self.zone[..zone.len()].copy_from_slice(zone);
            (self.zone_len, self.begin) = (zone.len(), Some((begin, moment.is_plain)));
        }
        Some(moment)
    }

    /// `read_syslog`, always with the same reference and zone.
    #[inline]
    pub fn read_syslog(&mut self, text: &[u8], reference: i64, zone: &Zone) -> Option<Moment> {
        let head: &[u8; 15] = text.first_chunk()?;
        if let Some((last, moment)) = &self.syslog
            && last == head
        {
            return Some(*moment);
        }
        let moment = read_syslog(text, reference, zone)?;
        self.syslog = Some((*head, moment));
        Some(moment)
    }
}

/// The time that `text` begins with; `zone` is for those that name none.
#[must_use]
pub fn read(text: &[u8], zone: &Zone) -> Option<Moment> {
    if let Some(fields) = iso(text) {
        return fields.moment(zone);
    }
    if let Some(fields) = apache(text) {
        return fields.moment(zone);
    }
    seconds(text)
}

/// The time that is all of `text`.
#[inline]
#[must_use]
pub fn read_whole(text: &[u8], zone: &Zone) -> Option<Moment> {
    read(text, zone).filter(|moment| moment.len == text.len())
}

struct Fields {
    date: (i64, i64, i64),
    second: i64,
    fraction: (usize, usize),
    micros: i64,
    offset: Option<i64>,
    len: usize,
    plain: bool,
}

impl Fields {
    fn moment(self, zone: &Zone) -> Option<Moment> {
        let (year, month, day) = self.date;
        if self.second < 0 {
            return None;
        }
        let local = days(year, month, day)? * DAY + self.second * SECOND + self.micros;
        let us = self.offset.map_or_else(|| zone.to_utc(local), |offset| local - offset);
        let is_plain = self.plain && us == local;
        (FIRST..END).contains(&us).then_some(Moment { us, fraction: self.fraction, len: self.len, is_plain })
    }
}

/// Seconds of the day; negative if there is no such time. 60 is a leap second.
fn second_of_day(hour: i64, minute: i64, second: i64) -> i64 {
    if hour > 23 || minute > 59 || second > 60 { -1 } else { hour * 3600 + minute * 60 + second }
}

/// Two digits, or a negative number.
#[inline]
fn two(text: &[u8], at: usize) -> i64 {
    let (tens, ones) = (text[at].wrapping_sub(b'0'), text[at + 1].wrapping_sub(b'0'));
    if tens > 9 || ones > 9 { i64::MIN / 4 } else { i64::from(tens) * 10 + i64::from(ones) }
}

fn iso(text: &[u8]) -> Option<Fields> {
    let head: &[u8; 19] = text.first_chunk()?;
    if head[4] != b'-' || head[7] != b'-' || head[10] != b'T' || head[13] != b':' || head[16] != b':' {
        return None;
    }
    let numbers = [two(head, 0), two(head, 2), two(head, 5), two(head, 8), two(head, 11), two(head, 14), two(head, 17)];
    if numbers.iter().any(|&number| number < 0) {
        return None;
    }
    let [century, year, month, day, hour, minute, second] = numbers;
    let (fraction, micros, after) = fraction(text, 19);
    let (offset, len) = iso_offset(text, after);
    // A leap second, and a zone that is taken off, are written otherwise than they stand.
    let plain = second != 60 && (len == after || text[after] == b'Z');
    Some(Fields {
        date: (century * 100 + year, month, day),
        second: second_of_day(hour, minute, second),
        fraction,
        micros,
        offset,
        len,
        plain,
    })
}

/// The digits behind a point: where they stand, their µs, and where they end.
fn fraction(text: &[u8], at: usize) -> ((usize, usize), i64, usize) {
    if text.get(at) != Some(&b'.') {
        return ((at, 0), 0, at);
    }
    let len = text[at + 1..].iter().take(9).take_while(|byte| byte.is_ascii_digit()).count();
    if len == 0 {
        return ((at, 0), 0, at);
    }
    let micros = (0..6).fold(0, |micros, place| {
        let digit = if place < len { text[at + 1 + place] - b'0' } else { 0 };
        micros * 10 + i64::from(digit)
    });
    ((at + 1, len), micros, at + 1 + len)
}

/// `Z`, `+HH:MM` or `+HHMM` at that place: the offset, and where it ends.
fn iso_offset(text: &[u8], at: usize) -> (Option<i64>, usize) {
    if text.get(at) == Some(&b'Z') {
        return (Some(0), at + 1);
    }
    if !matches!(text.get(at), Some(b'+' | b'-')) || text.len() < at + 5 {
        return (None, at);
    }
    let minutes_at = at + 3 + usize::from(text[at + 3] == b':');
    if text.len() < minutes_at + 2 {
        return (None, at);
    }
    let (hours, minutes) = (two(text, at + 1), two(text, minutes_at));
    if hours < 0 || minutes < 0 {
        return (None, at);
    }
    let sign = if text[at] == b'-' { -1 } else { 1 };
    (Some(sign * (hours * 3600 + minutes * 60) * SECOND), minutes_at + 2)
}

fn apache(text: &[u8]) -> Option<Fields> {
    let head: &[u8; 20] = text.first_chunk()?;
    let marks = [head[2], head[6], head[11], head[14], head[17]];
    if marks != *b"//:::" || !head[3..6].iter().all(u8::is_ascii_alphabetic) {
        return None;
    }
    let numbers = [two(head, 0), two(head, 7), two(head, 9), two(head, 12), two(head, 15), two(head, 18)];
    if numbers.iter().any(|&number| number < 0) {
        return None;
    }
    let [day, century, year, hour, minute, second] = numbers;
    let (fraction, micros, after) = fraction(text, 20);
    let zone = text.get(after..after + 6).filter(|zone| zone[0] == b' ' && zone[4] != b':');
    let offset = zone.and_then(|zone| iso_offset(zone, 1).0.filter(|_| zone[1] != b'Z'));
    Some(Fields {
        date: (century * 100 + year, month(&head[3..6]), day),
        second: second_of_day(hour, minute, second),
        fraction,
        micros,
        offset,
        len: after + if offset.is_some() { 6 } else { 0 },
        plain: false,
    })
}

fn seconds(text: &[u8]) -> Option<Moment> {
    let len = text.iter().take(11).take_while(|byte| byte.is_ascii_digit()).count();
    let value = text[..len].iter().fold(0, |value, byte| value * 10 + i64::from(byte - b'0'));
    let us = value * SECOND;
    (len > 0 && us < END).then_some(Moment { us, fraction: (len, 0), len, is_plain: false })
}

fn month(name: &[u8]) -> i64 {
    (1..).zip(MONTHS).find(|(_, month)| month.as_slice() == name).map_or(0, |(number, _)| number)
}

/// RFC 3164's time: its year is the latest that is not more than a day after the reference.
#[must_use]
pub fn read_syslog(text: &[u8], reference: i64, zone: &Zone) -> Option<Moment> {
    let head: &[u8; 15] = text.first_chunk()?;
    let marks = [head[3], head[6], head[9], head[12]];
    if marks != *b"  ::" || !head[0].is_ascii_uppercase() || !head[1..3].iter().all(u8::is_ascii_lowercase) {
        return None;
    }
    let tens = if head[4] == b' ' { b'0' } else { head[4] };
    let numbers = [two(&[tens, head[5]], 0), two(head, 7), two(head, 10), two(head, 13)];
    if numbers.iter().any(|&number| number < 0) {
        return None;
    }
    let [day, hour, minute, second] = numbers;
    let known = reference.clamp(0, END - 2 * DAY);
    let latest = civil(known.div_euclid(DAY)).0 + 1;
    ((latest - YEARS_BACK - 1)..=latest).rev().find_map(|year| {
        let fields = Fields {
            date: (year, month(&head[..3]), day),
            second: second_of_day(hour, minute, second),
            fraction: (15, 0),
            micros: 0,
            offset: None,
            len: 15,
            plain: false,
        };
        fields.moment(zone).filter(|moment| moment.us <= reference.saturating_add(DAY))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_civil_are_each_others_inverse() {
        for day in (-719_162..2_932_897).step_by(97) {
            let (year, month, of_month) = civil(day);
            assert_eq!(days(year, month, of_month), Some(day));
        }
        assert_eq!(days(2026, 2, 29), None);
        assert_eq!(days(2024, 2, 29).map(civil), Some((2024, 2, 29)));
    }

    #[test]
    fn what_is_remembered_changes_nothing() {
        let utc = Zone::utc();
        let (mut dates, mut stamps) = (Dates::default(), Stamps::default());
        for text in [
            "20/Nov/2026:19:54:26.480",
            "20/Nov/2026:19:54:60.480",
            "20/Nov/2026:24:54:26.480",
            "30/Feb/2026:19:54:26.480",
            "29/Feb/2024:00:00:00.000",
            "20-Nov/2026:19:54:26.480",
            "20/Nov/2026 19:54:26.480",
            "20/Nov/2026:1:554:26.480",
            "20/Nov/2026:19:54:26.4x0",
            "01/Jan/0001:00:00:00.000",
            "31/Dec/9999:23:59:59.999",
            "00/Nov/2026:19:54:26.480",
        ] {
            for _ in 0..2 {
                let chunk: &[u8; Dates::LEN] = text.as_bytes().first_chunk().expect("long enough");
                let Some(us) = dates.read(chunk) else { continue };
                let moment = read_whole(text.as_bytes(), &utc).expect(text);
                assert_eq!((us, dates.format(chunk).to_vec()), (moment.us, moment.format(text.as_bytes())), "{text}");
            }
        }
        assert!(dates.read(b"20/Nov/2026:19:54:26.480").is_some());
        for text in [
            "2026-11-20T19:54:26.480123Z",
            "2026-11-20T19:54:26.480124+00:00",
            "2026-11-20T19:54:27.480124+00:00",
            "2026-11-20T23:54:27.480124+01:30",
            "2026-11-20T19:54:60.480123Z",
            "2026-11-20T19:54:26.480123",
            "2026-11-20T19:54:26.480123+0100",
            "2026-11-20T19:54:26.4801234Z",
            "2026-11-20T24:54:26.480123Z",
            "2026-11-31T19:54:26.480123Z",
            "2026-11-20T19:54:26.480123Zx",
            "2026-11-20 19:54:26.480123Z",
            "17952044664",
            "9999-12-31T23:54:26.480123-02:00",
            "0001-01-01T00:00:00.000000+01:00",
            "-",
            "",
        ] {
            for _ in 0..2 {
                assert_eq!(stamps.read_whole(text.as_bytes()), read_whole(text.as_bytes(), &utc), "{text}");
            }
        }
        for text in ["Nov 20 19:54:26", "Nov 20 19:54:27", "Nov  1 19:54:27", "Nov 20 19:54:26 x", "Nov 20"] {
            let told = stamps.read_syslog(text.as_bytes(), 1_795_204_466_480_000, &utc);
            assert_eq!(told, read_syslog(text.as_bytes(), 1_795_204_466_480_000, &utc), "{text}");
        }
    }

    #[test]
    fn every_notation_is_read() {
        let utc = Zone::utc();
        let us = 1_795_204_466_480_000;
        for text in ["2026-11-20T19:54:26.480Z", "20/Nov/2026:19:54:26.480", "2026-11-20T20:54:26.480+01:00"] {
            let moment = read_whole(text.as_bytes(), &utc).expect(text);
            assert_eq!(moment.us, us, "{text}");
            assert_eq!(moment.format(text.as_bytes()), b"2026-11-20T19:54:26.480Z", "{text}");
        }
        assert_eq!(read_whole(b"1795204466", &utc).map(|moment| moment.us), Some(us - 480_000));
        assert_eq!(read_syslog(b"Nov 20 19:54:26", us, &utc).map(|moment| moment.us), Some(us - 480_000));
        assert_eq!(read_whole(b"2026-13-20T19:54:26Z", &utc), None);
    }
}
