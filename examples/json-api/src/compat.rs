//! The document: a tree of features, as browser-compat-data publishes it.
//!
//! Texts are borrowed from the request body where they stand there as they
//! read, which is nearly everywhere. What the filter has no use for is skipped
//! by the parser and never stored.

use std::borrow::{Borrow, Cow};
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::problem::Problem;
use crate::version::Version;

/// A text of the document. A bare `Cow` would always be copied: serde borrows
/// only for a field that says so.
#[derive(Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(transparent)]
pub struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

impl Borrow<str> for Text<'_> {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// A node of the tree: a feature, or a group of them, or both.
#[derive(Debug)]
pub struct Node<'a> {
    /// What is known of the feature. A mere group has nothing here.
    pub compat: Option<Compat<'a>>,
    /// The nodes below, with their names, in the order of the document.
    pub children: Vec<(Text<'a>, Node<'a>)>,
}

/// Who supports a feature, and whether it should still be used.
#[derive(Debug, Deserialize)]
pub struct Compat<'a> {
    /// Its page on MDN.
    #[serde(borrow)]
    pub mdn_url: Option<Text<'a>>,
    #[serde(default)]
    status: Status,
    /// By name of the browser. An ordered map, since a hash map would seed
    /// itself and so make the component import a source of random numbers.
    #[serde(borrow)]
    support: BTreeMap<Text<'a>, Support<'a>>,
}

#[derive(Debug, Default, Deserialize)]
struct Status {
    #[serde(default)]
    deprecated: bool,
}

/// What one browser supports: a statement, or several, the newest first.
#[derive(Debug)]
enum Support<'a> {
    One(Statement<'a>),
    Many(Vec<Statement<'a>>),
}

/// From when to when a browser supported a feature, and how.
#[derive(Debug, Deserialize)]
pub struct Statement<'a> {
    #[serde(borrow)]
    pub version_added: Version<'a>,
    #[serde(borrow, default)]
    pub version_removed: Version<'a>,
    /// Not all of it.
    #[serde(default, rename = "partial_implementation")]
    pub partial: bool,
    flags: Option<IgnoredAny>,
    prefix: Option<IgnoredAny>,
    alternative_name: Option<IgnoredAny>,
}

impl Compat<'_> {
    /// Whether the feature should not be used any more.
    pub fn is_deprecated(&self) -> bool {
        self.status.deprecated
    }

    /// What `browser` supports, the newest statement first.
    pub fn statements(&self, browser: &str) -> &[Statement<'_>] {
        match self.support.get(browser) {
            None => &[],
            Some(Support::One(statement)) => std::slice::from_ref(statement),
            Some(Support::Many(statements)) => statements,
        }
    }
}

impl Statement<'_> {
    /// Whether a page can use the feature without further ado: under its own
    /// name, and without the user's having changed a preference.
    pub fn is_plain(&self) -> bool {
        self.flags.is_none() && self.prefix.is_none() && self.alternative_name.is_none()
    }
}

/// Parses a request body.
///
/// # Errors
/// [`Problem::NotJson`], or [`Problem::Shape`] for JSON that is something else.
pub fn parse(body: &[u8]) -> Result<Node<'_>, Problem> {
    // The whole body at once: the parser would not look into what it skips.
    let text = std::str::from_utf8(body).map_err(|error| Problem::not_utf8(body, error))?;
    Ok(serde_json::from_str(text)?)
}

// By hand, since `#[serde(flatten)]` and `#[serde(untagged)]` would store every
// value before they look at it, and lose the line and the column of errors.

impl<'de: 'a, 'a> Deserialize<'de> for Node<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of features")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut node = Node {
            compat: None,
            children: Vec::new(),
        };
        while let Some(name) = map.next_key::<Text<'de>>()? {
            if name.0 != "__compat" {
                node.children.push((name, map.next_value()?));
            } else if node.compat.replace(map.next_value()?).is_some() {
                return Err(M::Error::duplicate_field("__compat"));
            }
        }
        Ok(node)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Support<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(SupportVisitor)
    }
}

struct SupportVisitor;

impl<'de> Visitor<'de> for SupportVisitor {
    type Value = Support<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a support statement, or an array of them")
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Self::Value, M::Error> {
        Statement::deserialize(MapAccessDeserializer::new(map)).map(Support::One)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, seq: S) -> Result<Self::Value, S::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(seq)).map(Support::Many)
    }
}
