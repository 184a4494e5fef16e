//! How much worse a figure may become.
#![forbid(unsafe_code)]

use std::str::FromStr;

use bytesize::ByteSize;

use super::figure::{Figure, Unit, UnknownFigure};

/// How much worse each figure may become. Without allowances nothing may become
/// worse, except for the size of the component, which is told and not judged: code
/// grows for many reasons, and is not what a request takes.
///
/// ```
/// use lavandula_host::check::{Allowance, Thresholds};
///
/// # fn main() -> Result<(), lavandula_host::check::AllowanceError> {
/// let all: Allowance = "all=1%".parse()?;
/// let peak: Allowance = "memory-peak=128KiB".parse()?;
/// let thresholds = Thresholds::new([all, peak])?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Thresholds {
    all: Option<Margin>,
    each: Vec<(Figure, Margin)>,
}

/// A figure, or all of them, with how much worse it may become: `memory-peak=5%`,
/// `arena-peak=4KiB`, `pages-of-a-request=2`, `all=1%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    of: Whom,
    margin: Margin,
}

/// Whom an allowance is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whom {
    All,
    One(Figure),
}

/// How much more than before is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Margin {
    /// This many bytes, or pages.
    By(u64),
    /// A share of what there was before, in thousandths of a percent. As an integer,
    /// so that the limit is the same on every machine.
    Share(u64),
}

/// What a percent is in a [`Margin::Share`].
const PERCENT: u64 = 1000;

/// Something that allows nothing that could be judged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AllowanceError {
    /// There is no `=` in it.
    #[error("`{0}` allows nothing: write it as FIGURE=AMOUNT, as in memory-peak=5% or all=1%")]
    Form(String),
    /// There is no such figure.
    #[error("{0}; `all` means all of them but the component")]
    Figure(#[from] UnknownFigure),
    /// It is no amount of this figure.
    #[error("`{amount}` is no amount for {of}: write it as {example}")]
    Amount {
        /// What was written.
        amount: String,
        /// Whom it is for.
        of: String,
        /// What could be written.
        example: &'static str,
    },
    /// The same figure has two allowances.
    #[error("{0} is allowed to become worse twice: give one --allow for it")]
    Twice(String),
}

impl FromStr for Allowance {
    type Err = AllowanceError;

    fn from_str(text: &str) -> Result<Self, AllowanceError> {
        let (name, amount) = text
            .split_once('=')
            .ok_or_else(|| AllowanceError::Form(text.to_owned()))?;
        let (name, amount) = (name.trim(), amount.trim());
        let of = match name {
            "all" => Whom::All,
            name => Whom::One(name.parse()?),
        };
        let (margin, example) = match of {
            // Figures of several units have no amount in common.
            Whom::All => (share(amount), "a percentage, as in all=1%"),
            Whom::One(figure) if figure.unit() == Unit::Pages => {
                let pages = || amount.parse().ok().map(Margin::By);
                (share(amount).or_else(pages), "5% or a number of pages")
            }
            Whom::One(_) => {
                let bytes = || amount.parse().ok().map(|size: ByteSize| size.as_u64());
                let bytes = || bytes().map(Margin::By);
                (share(amount).or_else(bytes), "5%, 512 or 64KiB")
            }
        };
        let margin = margin.ok_or_else(|| AllowanceError::Amount {
            amount: amount.to_owned(),
            of: name.to_owned(),
            example,
        })?;
        Ok(Self { of, margin })
    }
}

/// `5%`, `0.5 %`: at most three decimals, and nothing negative.
fn share(text: &str) -> Option<Margin> {
    let number = text.strip_suffix('%')?.trim_end();
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(decimals) || decimals.len() > 3 {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let thousandths: u64 = format!("{decimals:0<3}").parse().ok()?;
    let share = whole.checked_mul(PERCENT)?.checked_add(thousandths)?;
    Some(Margin::Share(share))
}

impl Thresholds {
    /// With these allowances. One for a figure counts more than one for all.
    ///
    /// # Errors
    /// Where two are for the same figure.
    pub fn new(allowances: impl IntoIterator<Item = Allowance>) -> Result<Self, AllowanceError> {
        let mut thresholds = Self::default();
        for Allowance { of, margin } in allowances {
            let before = match of {
                Whom::All => thresholds.all.replace(margin),
                Whom::One(figure) => {
                    let before = thresholds.of(figure);
                    thresholds.each.push((figure, margin));
                    before
                }
            };
            if before.is_some() {
                return Err(AllowanceError::Twice(match of {
                    Whom::All => "all".to_owned(),
                    Whom::One(figure) => figure.to_string(),
                }));
            }
        }
        Ok(thresholds)
    }

    /// The most that a figure may be that was `before`; nothing where it is not judged.
    pub(super) fn limit(&self, figure: Figure, before: u64) -> Option<u64> {
        let general = match figure {
            Figure::Component => None,
            _ => Some(self.all.unwrap_or(Margin::By(0))),
        };
        let more = match self.of(figure).or(general)? {
            Margin::By(more) => more,
            Margin::Share(share) => {
                let more = u128::from(before) * u128::from(share) / u128::from(100 * PERCENT);
                u64::try_from(more).unwrap_or(u64::MAX)
            }
        };
        Some(before.saturating_add(more))
    }

    fn of(&self, figure: Figure) -> Option<Margin> {
        let mut each = self.each.iter();
        each.find(|(of, _)| *of == figure)
            .map(|(_, margin)| *margin)
    }
}
