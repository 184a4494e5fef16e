//! What a component unfolds to when it is compiled.
//!
//! Compiling takes time and memory in proportion to the size of the file, with
//! exceptions: a file of 600 bytes can ask for millions of instances, each
//! component being made of two of the one before. These are counted beforehand,
//! without unfolding anything, and refused where there is far more than any
//! toolchain makes.
//!
//! What is left is in proportion: up to six seconds and 1.3 GB for each megabyte of
//! the worst that we have found, and a table of [`MAX_FLOW`] entries on each thread
//! that compiles. Whoever compiles for strangers does so in a process that may use no
//! more than it should.

use std::fmt;

use wasmparser::{
    BinaryReaderError, ComponentAlias, ComponentExternalKind, ComponentInstance,
    ComponentOuterAliasKind, ComponentTypeRef, Encoding, FunctionBody, Operator, Parser, Payload,
    SectionLimited,
};

/// Items of components (instances, aliases, functions, types), each counted as
/// often as its component is instantiated. What one costs is some hundred bytes
/// and a fraction of a microsecond. Composed components have thousands.
const MAX_ITEMS: u64 = 1_000_000;

/// Components within each other, and the module in the innermost. The compiler
/// takes a time that grows with the square of it. Composed components have four.
const MAX_DEPTH: usize = 100;

/// Local variables of all functions. A file has room for 50 000 in every five
/// bytes, and the compiler looks at each of them: 60 ns. A handler of a megabyte
/// has a few thousand.
const MAX_LOCALS: u64 = 20_000_000;

/// Local variables of one function times its branches. The compiler has a table
/// of as many entries, of about 20 bytes each. The largest product in a handler of a
/// megabyte is a quarter of a million.
const MAX_FLOW: u64 = 50_000_000;

/// The same of all functions together: the time that the tables take.
const MAX_FLOWS: u64 = 500_000_000;

/// Loops, each counted as often as loops are around it, and itself. In each of them
/// the compiler asks whether the time is up, and what it needs for that goes
/// through all those around it: a tenth of a microsecond each. Hardly any loop is
/// within ten others.
const MAX_LOOPS: u64 = 10_000_000;

/// What there is too much of in a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Excess {
    /// Instances and what else components are made of.
    Items,
    /// Components within each other.
    Depth,
    /// Components that are instantiated and are not in the file, or not by
    /// themselves: how much they unfold to cannot be told.
    Unknown,
    /// Local variables of all functions.
    Locals,
    /// Local variables times branches, of one function or of all of them.
    Flow,
    /// Loops within each other.
    Loops,
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Items => write!(
                f,
                "more than {MAX_ITEMS} items in its components, each counted as often as it is \
                 instantiated; compose it of fewer instances"
            ),
            Self::Depth => write!(
                f,
                "more than {MAX_DEPTH} components within each other; compose it side by side"
            ),
            Self::Unknown => f.write_str(
                "components that are instantiated and come from an import or an instance; \
                 compose it of components that are in the file",
            ),
            Self::Locals => write!(
                f,
                "more than {MAX_LOCALS} local variables; build it with optimisation"
            ),
            Self::Flow => write!(
                f,
                "functions with so many local variables and branches that their product is more \
                 than {MAX_FLOW} in one or {MAX_FLOWS} in all; split them"
            ),
            Self::Loops => f.write_str("too many loops within each other; split the function"),
        }
    }
}

/// What there is too much of to compile it. Nothing where it cannot be parsed: the
/// compiler says more of that.
pub(crate) fn excess(component: &[u8]) -> Option<Excess> {
    let read = Unfolding::default().excess_of(component);
    read.err()?.excess
}

/// The components and modules that are being read, the outermost first.
#[derive(Default)]
struct Unfolding {
    scopes: Vec<Scope>,
    locals: u64,
    flows: u64,
    /// Each counted as often as loops are around it, and itself.
    loops: u64,
}

/// A component or a module, as far as it was read.
struct Scope {
    encoding: Encoding,
    /// What one instance of it unfolds to.
    items: u64,
    /// What an instance of each component that it knows unfolds to. None where
    /// that is not known.
    components: Vec<Option<u64>>,
}

/// Why reading ends early.
struct Stop {
    excess: Option<Excess>,
}

impl From<BinaryReaderError> for Stop {
    fn from(_: BinaryReaderError) -> Self {
        Self { excess: None }
    }
}

impl From<Excess> for Stop {
    fn from(excess: Excess) -> Self {
        let excess = Some(excess);
        Self { excess }
    }
}

impl Unfolding {
    fn excess_of(mut self, component: &[u8]) -> Result<(), Stop> {
        for payload in Parser::new(0).parse_all(component) {
            match payload? {
                Payload::Version { encoding, .. } => self.begin(encoding)?,
                Payload::End(_) => self.end(),
                Payload::ComponentAliasSection(section) => self.aliases(section)?,
                Payload::ComponentImportSection(section) => {
                    self.count(&section)?;
                    for import in section {
                        if matches!(import?.ty, ComponentTypeRef::Component(_)) {
                            self.know(None);
                        }
                    }
                }
                Payload::ComponentExportSection(section) => {
                    self.count(&section)?;
                    for export in section {
                        let export = export?;
                        if export.kind == ComponentExternalKind::Component {
                            self.know(self.known(0, export.index));
                        }
                    }
                }
                Payload::ComponentInstanceSection(section) => {
                    self.count(&section)?;
                    for instance in section {
                        if let ComponentInstance::Instantiate {
                            component_index, ..
                        } = instance?
                        {
                            let items = self.known(0, component_index);
                            self.add(items.ok_or(Excess::Unknown)?)?;
                        }
                    }
                }
                Payload::InstanceSection(section) => self.count(&section)?,
                Payload::ComponentTypeSection(section) => self.count(&section)?,
                Payload::ComponentCanonicalSection(section) => self.count(&section)?,
                Payload::CodeSectionEntry(body) => self.function(&body)?,
                _ => {}
            }
        }
        Ok(())
    }
}

impl Unfolding {
    fn begin(&mut self, encoding: Encoding) -> Result<(), Stop> {
        self.scopes.push(Scope {
            encoding,
            items: 0,
            components: Vec::new(),
        });
        if self.scopes.len() > MAX_DEPTH {
            return Err(Excess::Depth.into());
        }
        Ok(())
    }

    /// The scope that ends is one more component to the one around it. A module
    /// has no components, and nobody asks for it by this index.
    fn end(&mut self) {
        if let Some(scope) = self.scopes.pop()
            && scope.encoding == Encoding::Component
        {
            self.know(Some(scope.items));
        }
    }

    fn aliases(&mut self, section: SectionLimited<'_, ComponentAlias<'_>>) -> Result<(), Stop> {
        self.count(&section)?;
        for alias in section {
            match alias? {
                ComponentAlias::Outer {
                    kind: ComponentOuterAliasKind::Component,
                    count,
                    index,
                } => self.know(self.known(count, index)),
                ComponentAlias::InstanceExport {
                    kind: ComponentExternalKind::Component,
                    ..
                } => self.know(None),
                _ => {}
            }
        }
        Ok(())
    }

    /// What component `index` unfolds to, of the scope `outward` from this one.
    fn known(&self, outward: u32, index: u32) -> Option<u64> {
        let scope = self.scopes.iter().rev().nth(outward as usize)?;
        *scope.components.get(index as usize)?
    }

    fn know(&mut self, items: Option<u64>) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.components.push(items);
        }
    }

    /// Counts the items of a section. It may claim to have any number of them, and
    /// each has a byte at least.
    fn count<T>(&mut self, section: &SectionLimited<'_, T>) -> Result<(), Stop> {
        let bytes = section.range().len() as u64;
        self.add(u64::from(section.count()).min(bytes))
    }

    fn add(&mut self, items: u64) -> Result<(), Stop> {
        let Some(scope) = self.scopes.last_mut() else {
            return Ok(());
        };
        // No overflow: neither is much larger than the limit.
        scope.items += items;
        if scope.items > MAX_ITEMS {
            return Err(Excess::Items.into());
        }
        Ok(())
    }

    fn function(&mut self, body: &FunctionBody<'_>) -> Result<(), Stop> {
        let mut locals = 0;
        for group in body.get_locals_reader()? {
            let (count, _) = group?;
            locals += u64::from(count);
        }
        self.locals = self.locals.saturating_add(locals);
        if self.locals > MAX_LOCALS {
            return Err(Excess::Locals.into());
        }
        let mut branches = 0_u64;
        let mut around = Vec::new();
        let mut loops = 0;
        for operator in body.get_operators_reader()? {
            let operator = operator?;
            if branches_off(&operator) {
                branches += 1;
            }
            match operator {
                Operator::Loop { .. } => {
                    around.push(Around::Loop);
                    loops += 1;
                    self.loops += loops;
                }
                Operator::Block { .. } | Operator::If { .. } | Operator::TryTable { .. } => {
                    around.push(Around::Other);
                }
                Operator::End => loops -= u64::from(around.pop() == Some(Around::Loop)),
                _ => {}
            }
            if self.loops > MAX_LOOPS {
                return Err(Excess::Loops.into());
            }
        }
        let flow = locals.saturating_mul(branches);
        self.flows = self.flows.saturating_add(flow);
        if flow > MAX_FLOW || self.flows > MAX_FLOWS {
            return Err(Excess::Flow.into());
        }
        Ok(())
    }
}

/// What code is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Around {
    Loop,
    Other,
}

/// Whether code before or behind this may be gone on with from elsewhere.
fn branches_off(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::Block { .. }
            | Operator::Loop { .. }
            | Operator::If { .. }
            | Operator::Else
            | Operator::BrIf { .. }
            | Operator::BrTable { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn excess_of(text: &str) -> Option<Excess> {
        excess(&testing::component(&format!("(component {text})")))
    }

    /// Each component is two instances of the one before, which is called as the
    /// one of its depth.
    fn doubled(times: usize) -> String {
        let twice = |i: usize| {
            format!(
                "(component $c{i} (instance (instantiate $c{0})) (instance (instantiate $c{0})))",
                i - 1
            )
        };
        let all: String = (1..=times).map(twice).collect();
        format!("(component $c0 (core module $m) (core instance (instantiate $m))) {all}")
    }

    #[test]
    fn handlers_have_no_excess() {
        assert_eq!(excess(&testing::handler(testing::HELLO)), None);
    }

    #[test]
    fn instances_are_counted_as_often_as_they_are_made() {
        for (times, expected) in [(10, None), (40, Some(Excess::Items))] {
            let all = doubled(times);
            let one = format!("{all} (instance (instantiate $c{times}))");
            assert_eq!(excess_of(&one), expected, "{times}");
            // By another name.
            let again = format!(
                "{all} (component (alias outer 1 {times} (component $c)) (instance (instantiate $c)))"
            );
            assert_eq!(excess_of(&again), expected, "{times}");
        }
    }

    #[test]
    fn what_a_section_claims_to_have_is_not_believed() {
        // 2^32 - 1 instances in no bytes at all.
        let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
        bytes.extend([5, 5, 0xff, 0xff, 0xff, 0xff, 0x0f]);
        assert_eq!(excess(&bytes), None);
    }

    #[test]
    fn components_that_are_given_are_not_known() {
        let user = r#"(component $user (import "c" (component $c)) (instance (instantiate $c)))"#;
        assert_eq!(excess_of(user), Some(Excess::Unknown));
        let taken = r#"(component $maker (component $c) (export "c" (component $c)))
            (instance $i (instantiate $maker))
            (alias export $i "c" (component $c)) (instance (instantiate $c))"#;
        assert_eq!(excess_of(taken), Some(Excess::Unknown));
        let named = r#"(component $c) (export $e "c" (component $c)) (instance (instantiate $e))"#;
        assert_eq!(excess_of(named), None);
    }

    #[test]
    fn components_within_each_other_are_counted() {
        for (depth, expected) in [(99, None), (100, Some(Excess::Depth))] {
            let empty = b"\0asm\x0d\0\x01\0";
            let mut bytes = empty.to_vec();
            for _ in 0..depth {
                let len = u16::try_from(bytes.len()).expect("it is short");
                let around = [4, (len & 0x7f) as u8 | 0x80, (len >> 7) as u8];
                bytes.splice(0..0, empty.iter().copied().chain(around));
            }
            assert_eq!(excess(&bytes), expected, "{depth}");
        }
    }

    #[test]
    fn local_variables_are_counted_over_all_functions() {
        let function = format!("(func (local {}))", "i64 ".repeat(50_000));
        for (functions, expected) in [(400, None), (401, Some(Excess::Locals))] {
            let module = format!("(core module {})", function.repeat(functions));
            assert_eq!(excess_of(&module), expected, "{functions}");
        }
    }

    #[test]
    fn locals_and_branches_are_counted_together() {
        let function = |locals: usize, branches: usize| {
            let (locals, branches) = ("i64 ".repeat(locals), "block end ".repeat(branches));
            format!("(func (local {locals}) {branches})")
        };
        for (functions, expected) in [
            (function(10_000, 5_000), None),
            (function(10_000, 5_001), Some(Excess::Flow)),
            (function(10_000, 2_500).repeat(20), None),
            (function(10_000, 2_500).repeat(21), Some(Excess::Flow)),
        ] {
            let module = format!("(core module {functions})");
            assert_eq!(excess_of(&module), expected);
        }
    }

    #[test]
    fn loops_are_counted_by_what_is_around_them() {
        let within = |n: usize| format!("{}{}", "loop ".repeat(n), "end ".repeat(n));
        for (body, expected) in [
            (within(4_000), None),
            (within(5_000), Some(Excess::Loops)),
            (within(100).repeat(1_000), None),
            (within(1).repeat(100_000), None),
            (
                format!("{}{}", "block ".repeat(5_000), "end ".repeat(5_000)),
                None,
            ),
        ] {
            let module = format!("(core module (func {body}))");
            assert_eq!(excess_of(&module), expected);
        }
    }

    #[test]
    fn what_cannot_be_parsed_is_left_to_the_compiler() {
        assert_eq!(excess(b"\0asm\x0d\0\x01\0\x05"), None);
        assert_eq!(excess(b"nonsense"), None);
    }
}
