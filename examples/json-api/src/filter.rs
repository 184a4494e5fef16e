//! The work: a walk over the tree that keeps what was asked for.

use lavandula::{AllocError, Arena};
use serde::Serialize;

use crate::compat::{Node, Statement};
use crate::query::{Deprecated, Query};
use crate::version::Version;

/// What a client gets.
#[derive(Debug, Serialize)]
pub struct Answer<'a> {
    browser: &'a str,
    /// How many features were kept.
    matched: usize,
    /// How many features the document has.
    total: usize,
    features: Vec<Kept<'a>>,
}

#[derive(Debug, Serialize)]
struct Kept<'a> {
    feature: &'a str,
    mdn_url: Option<&'a str>,
    version_added: &'a Version<'a>,
    /// Only where it is true, which is seldom.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    partial: bool,
}

/// Keeps the features of `document` that `query` asks for.
///
/// # Errors
/// [`AllocError`] where the arena has no room for their names.
pub fn filter<'a>(
    arena: &'a Arena,
    document: &'a Node<'a>,
    query: &Query,
) -> Result<Answer<'a>, AllocError> {
    let mut walk = Walk {
        arena,
        query,
        path: String::new(),
        total: 0,
        kept: Vec::new(),
    };
    walk.enter(document)?;
    Ok(Answer {
        browser: query.browser,
        matched: walk.kept.len(),
        total: walk.total,
        features: walk.kept,
    })
}

struct Walk<'a, 'q> {
    arena: &'a Arena,
    query: &'q Query,
    /// The names down to the current node, with dots between them.
    path: String,
    total: usize,
    kept: Vec<Kept<'a>>,
}

impl<'a> Walk<'a, '_> {
    /// Goes no deeper than the parser did, which stops at 128 levels.
    fn enter(&mut self, node: &'a Node<'a>) -> Result<(), AllocError> {
        if let Some(compat) = &node.compat {
            self.total += 1;
            let wanted = self.query.deprecated == Deprecated::Keep || !compat.is_deprecated();
            let statements = compat.statements(self.query.browser);
            let support = statements.iter().find(|statement| self.holds(statement));
            if let (true, Some(support)) = (wanted, support) {
                self.kept.push(Kept {
                    feature: self.arena.strdup(&self.path)?,
                    mdn_url: compat.mdn_url.as_ref().map(|url| &*url.0),
                    version_added: &support.version_added,
                    partial: support.partial,
                });
            }
        }
        for (name, child) in &node.children {
            let parent = self.path.len();
            if parent > 0 {
                self.path.push('.');
            }
            self.path.push_str(&name.0);
            self.enter(child)?;
            self.path.truncate(parent);
        }
        Ok(())
    }

    /// Whether the statement is about the release in question: the feature had
    /// come by then, and may not have gone again.
    fn holds(&self, statement: &Statement<'_>) -> bool {
        let since = self.query.since;
        let gone = match &statement.version_removed {
            Version::Sometime => true,
            removed => removed.by(since),
        };
        statement.is_plain() && statement.version_added.by(since) && !gone
    }
}
