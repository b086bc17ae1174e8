//! The values of numbers and times whose texts were found to be such when their record was read.

use crate::spec::Zone;
use crate::times;

/// So many digits fit 64 bits whatever they are.
const SURE_DIGITS: usize = 18;
/// A decimal number with so many digits is a quotient of two whole numbers that a float holds exactly.
const EXACT_DIGITS: usize = 15;
const TENS: [f64; EXACT_DIGITS] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14];

/// The value of an integer.
#[inline]
#[must_use]
pub fn integer(text: &[u8]) -> Option<i64> {
    if (1..=SURE_DIGITS).contains(&text.len())
        && let Some(value) = digits(text, 0)
    {
        return Some(value);
    }
    parsed(text)
}

/// The value of a decimal number: the float that is nearest to it.
#[inline]
#[must_use]
#[allow(clippy::cast_precision_loss)] // there is none with so few digits
pub fn float(text: &[u8]) -> Option<f64> {
    let point = text.iter().position(|&byte| byte == b'.').unwrap_or(text.len());
    let places = text.len().saturating_sub(point + 1);
    if point > 0
        && places > 0
        && text.len() <= EXACT_DIGITS
        && let Some(value) = digits(&text[..point], 0).and_then(|whole| digits(&text[point + 1..], whole))
    {
        return Some(value as f64 / TENS[places]);
    }
    parsed(text)
}

/// The number that decimal digits make behind those of `value`; None if there is another character.
#[inline(always)]
fn digits(text: &[u8], value: i64) -> Option<i64> {
    let mut odd = false;
    let value = text.iter().fold(value, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        odd |= digit > 9;
        value * 10 + i64::from(digit & 15)
    });
    (!odd).then_some(value)
}

#[cold]
fn parsed<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

const SECOND: i64 = 1_000_000;
const UTC: &Zone = &Zone::utc();

/// Times in the form in which records have them; their date is looked up once, for most lines of a log share it.
#[derive(Default)]
pub struct Times {
    date: [u8; 10],
    begin: i64,
}

impl Times {
    /// µs since 1970.
    #[inline]
    pub fn read(&mut self, text: &[u8]) -> Option<i64> {
        let of_day = text.try_into().ok().and_then(of_day);
        match of_day {
            Some(of_day) if text[..10] == self.date => Some(self.begin + of_day),
            _ => self.read_date(text, of_day),
        }
    }

    #[cold]
    fn read_date(&mut self, text: &[u8], of_day: Option<i64>) -> Option<i64> {
        let us = times::read(text, UTC)?.us;
        if let Some(of_day) = of_day {
            self.date.copy_from_slice(&text[..10]);
            self.begin = us - of_day;
        }
        Some(us)
    }
}

/// The time of day of `…THH:MM:SS.ffffffZ`, but for leap seconds.
#[inline(always)]
fn of_day(text: &[u8; 27]) -> Option<i64> {
    if [text[10], text[13], text[16], text[19], text[26]] != *b"T::.Z" {
        return None;
    }
    let mut odd = false;
    let mut pair = |at: usize| {
        let (tens, ones) = (text[at].wrapping_sub(b'0'), text[at + 1].wrapping_sub(b'0'));
        odd |= tens > 9 || ones > 9;
        i64::from(tens) * 10 + i64::from(ones)
    };
    let (hour, minute, second) = (pair(11), pair(14), pair(17));
    let micros = pair(20) * 10_000 + pair(22) * 100 + pair(24);
    (!odd && second < 60).then_some((hour * 3600 + minute * 60 + second) * SECOND + micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_the_standard_library_reads() {
        for text in
            ["0", "7", "-1", "200", "999999999999999999", "9223372036854775807", "-9223372036854775808", "", "x"]
        {
            assert_eq!(integer(text.as_bytes()), text.parse().ok(), "{text}");
        }
        let floats = [
            "0.001",
            "0.1",
            "12.3456789",
            "1234567.8901234",
            "12345678.90123456789",
            "-0.5",
            "5",
            "0.0",
            ".5",
            "1e3",
            "1.2.3",
            "",
        ];
        for text in floats {
            assert_eq!(float(text.as_bytes()).map(f64::to_bits), text.parse().ok().map(f64::to_bits), "{text}");
        }
        for number in 0..100_000_u64 {
            let text = format!("{}.{:05}", number % 17, number * 7919 % 100_000);
            assert_eq!(float(text.as_bytes()).map(f64::to_bits), text.parse().ok().map(f64::to_bits), "{text}");
        }
    }

    #[test]
    fn times_are_what_the_parser_reads() {
        let mut all = Times::default();
        for text in [
            "2026-10-25T19:14:59.002000Z",
            "2026-10-25T00:00:00.000001Z",
            "2016-12-31T23:59:60.000000Z",
            "2016-12-31T23:59:59.999999Z",
            "2026-10-25T19:14:59Z",
            "2026-10-25T19:14:59.00+0100",
            "2026-02-30T19:14:59.002000Z",
            "2026-10-25T19:1x:59.002000Z",
            "nothing",
        ] {
            for _ in 0..2 {
                assert_eq!(
                    all.read(text.as_bytes()),
                    times::read(text.as_bytes(), UTC).map(|moment| moment.us),
                    "{text}"
                );
            }
        }
    }
}
