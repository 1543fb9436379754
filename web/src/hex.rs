//! Bytes as hexadecimal digits.

/// Two lower-case digits for each byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";

    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The bytes that digits stand for; none when they are no such digits.
pub(crate) fn unhex(digits: &str) -> Option<Vec<u8>> {
    let values: Vec<u8> = digits.chars().map(|digit| u8::try_from(digit.to_digit(16)?).ok()).collect::<Option<_>>()?;
    values.chunks(2).map(|pair| Some((pair[0] << 4) | pair.get(1)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_read_back() {
        assert_eq!(unhex(&hex(b"dags-folder:a.yaml")).as_deref(), Some(&b"dags-folder:a.yaml"[..]));
        for wrong in ["6", "6g", "ü"] {
            assert_eq!(unhex(wrong), None, "{wrong}");
        }
    }
}
