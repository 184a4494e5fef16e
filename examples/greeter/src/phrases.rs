//! How people are greeted, by language: read once, before the first request.

use std::collections::BTreeMap;
use std::sync::OnceLock;

const TEXT: &str = include_str!("../data/greetings.txt");

/// The language of those who ask for none, or for one that is not known.
const DEFAULT: &str = "en";

/// The greetings, and the one for those who ask for nothing else.
pub struct Phrases {
    by_language: BTreeMap<&'static str, &'static str>,
    default: &'static str,
}

static PHRASES: OnceLock<Phrases> = OnceLock::new();

/// What `export!` does once, so that no request has to: what it allocates is part of
/// the image, and still there after a rewind.
pub fn prepare() {
    phrases();
}

pub fn phrases() -> &'static Phrases {
    PHRASES.get_or_init(|| {
        let lines = TEXT.lines().filter_map(|line| line.split_once(' '));
        let by_language: BTreeMap<_, _> = lines.collect();
        let default = by_language.get(DEFAULT).copied().unwrap_or("Hello");
        Phrases {
            by_language,
            default,
        }
    })
}

impl Phrases {
    /// The greeting in the first language of an `accept-language` that is known. Those
    /// who send the header sort it themselves.
    pub fn accepted(&self, languages: &str) -> &'static str {
        let mut tags = languages.split(',').filter_map(|tag| tag.split(';').next());
        let known = tags.find_map(|tag| {
            let language = tag.trim().split('-').next()?;
            self.by_language.get(language).copied()
        });
        known.unwrap_or(self.default)
    }
}
