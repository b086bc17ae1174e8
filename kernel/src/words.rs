//! What the first words of a line look like, to recognise whose line it is.

use crate::cells;
use crate::spec::{Token, Zone};
use crate::times;

/// Whether the first words of the line look like `starts`, one after the other.
#[must_use]
pub fn begins_as(line: &[u8], starts: &[Token]) -> bool {
    // Most lines are told by their first bytes from those of the other formats.
    let may_begin = match starts.first() {
        Some(Token::Time) => line.get(4) == Some(&b'-'),
        Some(Token::Name) => !matches!(line.first(), Some(b'"' | b'{' | b'<')),
        _ => true,
    };
    if !may_begin {
        return false;
    }
    let separator = separator(line);
    let mut words = line.split(|&byte| byte == separator);
    starts.iter().all(|&token| words.next().is_some_and(|word| looks_like(token, word)))
}

/// Whether a line that begins with this byte may look like `starts`.
#[must_use]
pub fn may_begin_with(byte: u8, starts: &[Token]) -> bool {
    match starts.first() {
        // The times that are looked for have a dash in fifth place: they are ISO 8601.
        Some(Token::Time) => byte.is_ascii_digit(),
        Some(Token::Name) => !matches!(byte, b'"' | b'{' | b'<'),
        _ => true,
    }
}

/// Tab if it comes before the first space (`CloudWatch`'s copies), else space.
#[must_use]
pub fn separator(line: &[u8]) -> u8 {
    match memchr::memchr2(b' ', b'\t', line) {
        Some(at) => line[at],
        None => b' ',
    }
}

/// Whether a word looks like a token of that name.
#[inline]
#[must_use]
pub fn looks_like(token: Token, word: &[u8]) -> bool {
    match token {
        Token::Any => !word.is_empty(),
        Token::Time => word.get(4) == Some(&b'-') && times::read_whole(word, &Zone::utc()).is_some(),
        Token::Name => !matches!(word.first(), None | Some(b'"' | b'{' | b'<')),
        Token::Path => word.contains(&b'/'),
        Token::Ip => cells::address(word).is_some(),
        Token::Endpoint => memchr::memrchr(b':', word)
            .is_some_and(|colon| cells::is_digits(&word[colon + 1..]) && cells::address(&word[..colon]).is_some()),
        Token::Integer => cells::is_digits(word),
        Token::Float => word.contains(&b'.') && cells::decimal(word).is_some(),
        Token::Version => matches!(word, [major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit()),
    }
}
