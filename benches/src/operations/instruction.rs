//! What one instruction counts as, and what it is called.

use wasmparser::Operator;

/// What an instruction is, for the count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Load,
    Store,
    Arithmetic,
    Compare,
    Branch,
    /// Nothing that counts.
    Free,
}

/// What it counts as. `name` is its [`mnemonic`].
pub fn kind(operator: &Operator<'_>, name: &str) -> Kind {
    match operator {
        Operator::LocalGet { .. }
        | Operator::LocalSet { .. }
        | Operator::LocalTee { .. }
        | Operator::I32Const { .. }
        | Operator::I64Const { .. }
        | Operator::F32Const { .. }
        | Operator::F64Const { .. }
        | Operator::Block { .. }
        | Operator::Loop { .. }
        | Operator::Else
        | Operator::End
        | Operator::Br { .. }
        | Operator::Return
        | Operator::Nop
        | Operator::Drop
        | Operator::Unreachable => Kind::Free,
        Operator::BrIf { .. }
        | Operator::BrTable { .. }
        | Operator::If { .. }
        | Operator::Select
        | Operator::TypedSelect { .. } => Kind::Branch,
        Operator::GlobalGet { .. } => Kind::Load,
        Operator::GlobalSet { .. }
        | Operator::MemoryCopy { .. }
        | Operator::MemoryFill { .. }
        | Operator::MemoryInit { .. } => Kind::Store,
        // The names of the rest say what they are: `i32.load8_u`, `i64.store`,
        // `i32.gt_u`, and else arithmetic.
        _ => {
            let operation = name
                .split_once('.')
                .map_or(name, |(_, operation)| operation);
            let compares = ["eqz", "eq", "ne", "lt", "gt", "le", "ge"];
            if operation.starts_with("load") {
                Kind::Load
            } else if operation.starts_with("store") {
                Kind::Store
            } else if compares
                .contains(&operation.trim_end_matches(['s', 'u']).trim_end_matches('_'))
            {
                Kind::Compare
            } else {
                Kind::Arithmetic
            }
        }
    }
}

/// `i32.load8_u` for `I32Load8U { .. }`, as near as it takes to read it.
pub fn mnemonic(operator: &Operator<'_>) -> String {
    let debug = format!("{operator:?}");
    let camel = debug.split([' ', '{', '(']).next().unwrap_or_default();
    let (kind, operation) = match camel.get(..3) {
        Some(kind @ ("I32" | "I64" | "F32" | "F64")) => (Some(kind), &camel[3..]),
        _ => (None, camel),
    };
    let mut name = String::new();
    if let Some(kind) = kind {
        name.push_str(&kind.to_lowercase());
        name.push('.');
    }
    for (index, letter) in operation.char_indices() {
        if letter.is_uppercase() && index > 0 {
            name.push('_');
        }
        name.extend(letter.to_lowercase());
    }
    name
}
