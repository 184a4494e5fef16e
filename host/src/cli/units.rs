//! Sizes and durations as people write them: `64MiB`, `10s`.

use std::time::Duration;

use bytesize::ByteSize;

/// A number of bytes: `65536`, `64KiB`, `1.5 MB`.
pub fn bytes(text: &str) -> Result<usize, String> {
    let size: ByteSize = text
        .parse()
        .map_err(|_| format!("`{text}` is no size: write it as 65536, 64KiB or 10MB"))?;
    usize::try_from(size.as_u64())
        .map_err(|_| format!("`{text}` is more than this machine can address"))
}

/// A duration above zero: `250ms`, `10s`, `1m 30s`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text)
        .map_err(|_| format!("`{text}` is no duration: write it as 250ms, 10s or 1m"))?;
    if duration.is_zero() {
        return Err(
            "a duration of zero leaves no time for anything: write it as 250ms, 10s or 1m"
                .to_owned(),
        );
    }
    Ok(duration)
}

/// The same for what may be left out altogether: zero is a time like others.
pub fn delay(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|_| format!("`{text}` is no duration: write it as 0s, 250ms or 10s"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(bytes("64MiB"), Ok(64 << 20));
        assert_eq!(bytes("10 MB"), Ok(10_000_000));
        assert_eq!(bytes("512"), Ok(512));
        for bad in ["", "64MiBs", "-1", "many"] {
            assert!(bytes(bad).unwrap_err().contains("64KiB"), "{bad}");
        }
    }

    #[test]
    fn durations_have_units_and_are_not_zero() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("1m 30s"), Ok(Duration::from_secs(90)));
        for bad in ["", "10", "0s", "soon"] {
            assert!(duration(bad).unwrap_err().contains("250ms"), "{bad}");
        }
    }
}
