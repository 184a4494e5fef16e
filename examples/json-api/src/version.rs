//! Releases of browsers, and when a feature came or went.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};
use serde::ser::{Serialize, Serializer};

/// The number of a release, such as 80 or 15.4. What is left out is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release([u32; 3]);

impl Release {
    /// Up to three numbers with dots between them.
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = [0; 3];
        let mut places = numbers.iter_mut();
        for part in text.split('.') {
            // `u32::from_str` would take a sign as well.
            if !part.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            *places.next()? = part.parse().ok()?;
        }
        Some(Self(numbers))
    }
}

/// When a feature came or went, as the data says it.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum Version<'a> {
    /// `false` or `null`: it did not happen, or nobody knows that it did.
    #[default]
    Never,
    /// `true`: it happened, and nobody knows when.
    Sometime,
    /// `"preview"`: in builds that come before the next release.
    Preview,
    /// `"80"`, or `"≤79"` where it was that release at the latest.
    In {
        /// The release.
        release: Release,
        /// As it was written.
        text: Cow<'a, str>,
    },
}

impl Version<'_> {
    /// Whether it is certain to have happened by `release`, or by the newest
    /// build where there is none.
    pub fn by(&self, limit: Option<Release>) -> bool {
        match self {
            Self::Never => false,
            Self::Sometime | Self::Preview => limit.is_none(),
            Self::In { release, .. } => limit.is_none_or(|limit| *release <= limit),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Version<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(VersionVisitor)
    }
}

struct VersionVisitor;

impl VersionVisitor {
    fn text<'a, E: Error>(self, text: Cow<'a, str>) -> Result<Version<'a>, E> {
        if text == "preview" {
            return Ok(Version::Preview);
        }
        match Release::parse(text.strip_prefix('≤').unwrap_or(&text)) {
            Some(release) => Ok(Version::In { release, text }),
            None => Err(E::invalid_value(Unexpected::Str(&text), &self)),
        }
    }
}

impl<'de> Visitor<'de> for VersionVisitor {
    type Value = Version<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a version such as \"80\", \"≤79\" or \"preview\", true, false or null")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        self.text(Cow::Borrowed(text))
    }

    /// A text that is not in the document as it reads, because of an escape.
    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        self.text(Cow::Owned(text.to_owned()))
    }

    fn visit_bool<E: Error>(self, happened: bool) -> Result<Self::Value, E> {
        Ok(match happened {
            true => Version::Sometime,
            false => Version::Never,
        })
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Version::Never)
    }
}

impl Serialize for Version<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Never => to.serialize_bool(false),
            Self::Sometime => to.serialize_bool(true),
            Self::Preview => to.serialize_str("preview"),
            Self::In { text, .. } => to.serialize_str(text),
        }
    }
}
