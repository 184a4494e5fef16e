//! The core modules of a component, as far as it is about what memory begins with.

use wasmparser::{ConstExpr, DataKind, DataSectionReader, Encoding, Operator, Parser, Payload};

/// A core module.
#[derive(Default)]
pub(crate) struct Module<'a> {
    /// Bytes of its code section, without the id and the length in front.
    pub(crate) code: usize,
    /// Its data segments. None if one of them does not lie at a fixed address.
    pub(crate) segments: Vec<Segment<'a>>,
}

/// A data segment: its address in memory, and its bytes in the file.
pub(crate) struct Segment<'a> {
    pub(crate) address: u32,
    /// Of the first byte, in the file.
    pub(crate) offset: usize,
    pub(crate) bytes: &'a [u8],
}

/// The modules of a component, or the one that this is.
pub(crate) fn modules(component: &[u8]) -> Vec<Module<'_>> {
    let mut modules: Vec<Module<'_>> = Vec::new();
    for payload in Parser::new(0).parse_all(component) {
        // A component that cannot be parsed is told so where it is loaded.
        let Ok(payload) = payload else { break };
        if let Payload::Version { encoding, .. } = &payload
            && *encoding == Encoding::Module
        {
            modules.push(Module::default());
        }
        let Some(module) = modules.last_mut() else {
            continue;
        };
        match payload {
            Payload::CodeSectionStart { range, .. } => module.code = range.len(),
            Payload::DataSection(section) => module.segments = segments(section),
            _ => {}
        }
    }
    modules
}

fn segments(section: DataSectionReader<'_>) -> Vec<Segment<'_>> {
    let segments = section.into_iter().map(|segment| {
        let segment = segment.ok()?;
        let DataKind::Active { offset_expr, .. } = segment.kind else {
            return None;
        };
        let Ok(Operator::I32Const { value }) = offset_expr.get_operators_reader().read() else {
            return None;
        };
        Some(Segment {
            address: value.cast_unsigned(),
            offset: segment.range.end - segment.data.len(),
            bytes: segment.data,
        })
    });
    segments.collect::<Option<_>>().unwrap_or_default()
}

/// What an expression is that consists of one constant, as where a segment goes mostly does.
pub(crate) fn constant(expression: &ConstExpr<'_>) -> Option<u64> {
    let mut operators = expression.get_operators_reader();
    let value = match operators.read().ok()? {
        Operator::I32Const { value } => u64::from(value.cast_unsigned()),
        Operator::I64Const { value } => value.cast_unsigned(),
        _ => return None,
    };
    matches!(operators.read(), Ok(Operator::End)).then_some(value)
}
