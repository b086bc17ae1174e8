//! Values as they usually stand, told from the bits of their bytes. What is not found to be usual here wants a closer
//! look; it may be as good.

use crate::cells::is_version;
use crate::fast::{Cpu, WINDOW};

/// Up to 18 digits without a zero in front, but for zero itself.
#[inline(always)]
#[must_use]
pub fn is_usual_number<C: Cpu>(cpu: C, window: &[u8; WINDOW], len: usize) -> bool {
    let len = len as u32;
    let all = low_bits(len);
    (len.wrapping_sub(1) < 18) & (cpu.digits(window) & all == all) & ((window[0] != b'0') | (len == 1))
}

/// One digit, a point, and digits.
#[inline(always)]
#[must_use]
pub fn is_usual_decimal<C: Cpu>(cpu: C, window: &[u8; WINDOW], len: usize) -> bool {
    let len = len as u32;
    let all = low_bits(len);
    (len.wrapping_sub(3) < 17) & (window[1] == b'.') & (cpu.digits(window) & all == all ^ 2)
}

/// Whether a list has one item.
#[inline(always)]
#[must_use]
pub fn is_single<C: Cpu>(cpu: C, window: &[u8; WINDOW], len: usize, separator: u8) -> bool {
    let len = len as u32;
    (len.wrapping_sub(1) < 31) & (cpu.equal(window, separator) & low_bits(len) == 0)
}

/// Whether a text is `-1`.
#[inline(always)]
#[must_use]
pub fn is_minus_one(window: &[u8; WINDOW], len: usize) -> bool {
    (len == 2) & (window[..2] == *b"-1")
}

/// So many bits from the lowest on, up to 31.
#[inline(always)]
fn low_bits(count: u32) -> u32 {
    (1 << (count & 31)) - 1
}

/// Where the colon stands in an IPv4 address with a port. Each bit of what is asked stands for a byte of the text.
#[inline(always)]
#[must_use]
pub fn usual_endpoint<C: Cpu>(cpu: C, window: &[u8; WINDOW], len: usize) -> Option<usize> {
    let len = len as u32;
    if !(9..=21).contains(&len) {
        return None;
    }
    let all = low_bits(len);
    let [digits, points] = [cpu.digits(window) & all, cpu.equal(window, b'.') & all];
    let colon = all & !digits & !points;
    let zeros = cpu.equal(window, b'0');
    let twos = cpu.equal(window, b'2');
    let fives = cpu.equal(window, b'5');
    // The colon is one byte, and it is one; the points are three, before it.
    let marks = points | colon;
    let mut is_usual = colon.is_power_of_two() & (points.count_ones() == 3) & (points < colon);
    is_usual &= window[(colon.trailing_zeros() & 31) as usize] == b':';
    // Each begins with a digit behind which no zero stands before another, and an octet has three at most.
    let begins = marks << 1 | 1;
    is_usual &= begins & digits == begins;
    is_usual &= begins & zeros & digits >> 1 == 0;
    let three = digits & digits >> 1 & digits >> 2 & (colon.wrapping_sub(1));
    is_usual &= three & digits >> 3 == 0;
    // No octet is above 255.
    let above_two = digits & cpu.above(window, b'2');
    let above_five = digits & cpu.above(window, b'5');
    let too_much = above_two | twos & (above_five >> 1 | fives >> 1 & above_five >> 2);
    is_usual &= three & begins & too_much == 0;
    is_usual.then(|| colon.trailing_zeros() as usize)
}

/// Where a part begins and ends.
pub type Place = (usize, usize);

/// Where the host stands in an IPv6 address with a port, and the last colon. Each bit stands for a byte of the text.
#[inline(always)]
#[must_use]
pub fn usual_endpoint_6<C: Cpu>(cpu: C, windows: [&[u8; WINDOW]; 2], len: usize) -> Option<(Place, usize)> {
    if !(4..=47).contains(&len) {
        return None;
    }
    let both = |ask: &dyn Fn(&[u8; WINDOW]) -> u32| u64::from(ask(windows[0])) | u64::from(ask(windows[1])) << WINDOW;
    let byte = |at: usize| windows[at / WINDOW % 2][at % WINDOW];
    let all = (1_u64 << len) - 1;
    let digits = both(&|window| cpu.digits(window)) & all;
    let colons = both(&|window| cpu.equal(window, b':')) & all;
    let lower = both(&|window| cpu.above(window, b'`') & !cpu.above(window, b'f'));
    let upper = both(&|window| cpu.above(window, b'@') & !cpu.above(window, b'F'));
    let last = 63_usize.checked_sub(colons.leading_zeros() as usize)?;
    let ports = all & (u64::MAX << last << 1);
    let is_port = (ports != 0)
        & (digits & ports == ports)
        & ((byte(last + 1) != b'0') | ports.is_power_of_two())
        & (ports.count_ones() < 19);
    let is_bracketed = (byte(0) == b'[') & (last > 1) & (byte(last.max(1) - 1) == b']');
    let (from, to) = if is_bracketed { (1, last - 1) } else { (0, last) };
    if to <= from || !is_port {
        return None;
    }
    let host = ((1_u64 << (to - from)) - 1) & (all >> from);
    let colons = (colons >> from) & host;
    let hex = ((digits | lower | upper) >> from) & host;
    let (first_bit, last_bit) = (1, 1_u64 << (to - from - 1));
    // Eight groups of up to four digits with a colon between two, or fewer and two colons in one place.
    let pair = colons & colons >> 1;
    let groups = (hex & !(hex << 1)).count_ones();
    let is_whole = (pair == 0) & (groups == 8) & (colons & (first_bit | last_bit) == 0);
    let is_short = pair.is_power_of_two()
        & (groups < 8)
        & ((colons & first_bit == 0) | (pair & first_bit != 0))
        & ((colons & last_bit == 0) | (pair << 1 & last_bit != 0));
    let is_host =
        (hex | colons == host) & (hex & hex >> 1 & hex >> 2 & hex >> 3 & hex >> 4 == 0) & (is_whole | is_short);
    is_host.then_some(((from, to), last))
}

/// Method, URL and version where a text ends with ` HTTP/1.1` or its like, and none of them is a dash. The window is that
/// of its first bytes.
#[inline(always)]
#[must_use]
pub fn usual_request<C: Cpu>(cpu: C, window: &[u8; WINDOW], text: &[u8]) -> Option<[Place; 3]> {
    let (before, version) = text.split_last_chunk::<8>()?;
    let url_end = before.len().checked_sub(1)?;
    // Without a space the method is taken for 32 bytes long, and what stands behind them is none.
    let method = cpu.equal(window, b' ').trailing_zeros() as usize;
    let url = before.get(method + 1..url_end)?;
    let first = *url.first()?;
    let is_usual = (method > 0)
        & (before[method] == b' ')
        & (before[url_end] == b' ')
        & is_version(version)
        & ((window[0] != b'-') | (method > 1))
        & ((first != b'-') | (url.len() > 1));
    is_usual.then_some([(0, method), (method + 1, url_end), (url_end + 1, text.len())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::{address, request_values};
    use crate::fast::Scalar;

    #[test]
    fn usual_endpoints_are_those_that_a_closer_look_finds() {
        let groups = ["", "0", "1", "db8", "ffff", "F00d", "12345", "g", "::", ":"];
        let hosts = (0..4000_usize).map(|number| {
            let words = (0..number % 10).map(|place| groups[(number * 7 + place * place * 3 + number / 10) % 10]);
            words.collect::<Vec<_>>().join(":")
        });
        for host in hosts.chain(["1.2.3.4".into(), "255.255.255.255".into(), "256.1.1.1".into(), "1.2.3.04".into()]) {
            for text in [format!("{host}:443"), format!("[{host}]:0"), format!("{host}:07"), format!("{host}:")] {
                let padded = format!("{text:96}");
                let (windows, _) = padded.as_bytes().as_chunks();
                let colon = text.rfind(':').unwrap_or_default();
                let address = address(&text.as_bytes()[..colon]);
                // Four octets in brackets are no usual sight.
                let is_usual =
                    text.len() > colon + 1 && !text.ends_with("07") && !(text.starts_with('[') && text.contains('.'));
                let expected = address.filter(|_| is_usual);
                let found = usual_endpoint(Scalar, &windows[0], text.len()).map(|colon| ((0, colon), colon));
                let found = found.or_else(|| usual_endpoint_6(Scalar, [&windows[0], &windows[1]], text.len()));
                assert_eq!(found, expected.map(|place| (place, colon)), "{text}");
            }
        }
    }

    #[test]
    fn usual_requests_are_split_as_a_closer_look_splits_them() {
        const PIECES: [&str; 8] =
            ["", " ", "-", "GET", "http://a/b c", "HTTP/1.1", "HTTP/x.1", "a-method-that-is-longer-than-any"];
        let mut usual = 0;
        for number in 0..PIECES.len().pow(5) {
            let pieces = (0..5).map(|place| PIECES[number / PIECES.len().pow(place) % PIECES.len()]);
            let text = pieces.collect::<String>();
            let padded = format!("{text:96}");
            let (windows, _) = padded.as_bytes().as_chunks();
            if let Some(parts) = usual_request(Scalar, &windows[0], text.as_bytes()) {
                assert_eq!(parts.map(Some), request_values(text.as_bytes()), "{text}");
                usual += 1;
            }
        }
        assert!(usual > 50, "{usual}");
    }
}
