//! A core module: which functions lead to which, and what its instantiation does to others.

use std::collections::HashMap;

use wasmparser::{
    ConstExpr, DataKind, Element, ElementItems, ElementKind, FunctionBody, Operator, Parser,
    Payload, TypeRef,
};

use super::items::{At, Space};
use crate::segments::constant;

mod write;

pub(super) use write::{Kept, write};

/// Entries of a table that count for little among those that an instance may have. A module
/// with more is noticed by whoever limits them.
const SMALL_TABLE: u64 = 1_000;

/// Something that a module imports.
#[derive(Debug)]
pub(super) struct Import<'a> {
    pub(super) module: &'a str,
    pub(super) name: &'a str,
    pub(super) space: Space,
}

/// What anybody else could notice of a module's instantiation.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Effect<'a> {
    /// Nothing.
    None,
    /// Entries of tables that it imports, by the names of those.
    Tables(Vec<(&'a str, &'a str)>),
    /// Something else, or a trap.
    Any,
}

impl<'a> Effect<'a> {
    fn and(&mut self, other: Self) {
        if let (Self::Tables(all), Self::Tables(more)) = (&mut *self, &other) {
            all.extend(more);
        } else if *self == Self::None || other == Self::Any {
            *self = other;
        }
    }
}

/// A core module, as far as that matters here.
#[derive(Debug)]
pub(super) struct Module<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) imports: Vec<Import<'a>>,
    /// The imports that are functions, by the number of the function.
    imported: Vec<usize>,
    /// How many of its tables it imports: the first ones.
    imported_tables: u32,
    exports: HashMap<&'a str, At>,
    /// What each function of its own refers to.
    bodies: Vec<Body>,
    /// The functions that are kept in any case: the start, and those in tables and globals.
    pub(super) roots: Vec<u32>,
    pub(super) effect: Effect<'a>,
    /// Whether all that it does with tables is to call entries of its only one, each by a
    /// number that stands in the code.
    pub(super) plain_table: bool,
    /// Where it does nothing but fill a table that it imports: what goes where.
    filler: Option<Filler>,
}

/// What a function refers to.
#[derive(Debug, Default)]
struct Body {
    functions: Vec<u32>,
    /// Entries of the only table, where that is all that is done with it.
    entries: Vec<u32>,
}

/// A function for each entry of the only table, from one on.
#[derive(Debug)]
struct Filler {
    first: u32,
    functions: Vec<u32>,
}

impl<'a> Module<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut module = Self {
            bytes,
            imports: Vec::new(),
            imported: Vec::new(),
            imported_tables: 0,
            exports: HashMap::new(),
            bodies: Vec::new(),
            roots: Vec::new(),
            effect: Effect::None,
            plain_table: true,
            filler: None,
        };
        let mut shape = Shape::default();
        for payload in Parser::new(0).parse_all(bytes) {
            module.take(payload.ok()?, &mut shape)?;
        }
        module.plain_table &= matches!(shape.tables[..], [(None, _)]) && shape.segments.is_empty();
        module.filler = shape.filler().filter(|filler| {
            let imported = |function: &u32| module.import_of(*function).is_some();
            module.bodies.is_empty()
                && module.exports.is_empty()
                && module.imported_tables == 1
                && matches!(module.effect, Effect::Tables(_))
                && filler.functions.iter().all(imported)
        });
        Some(module)
    }

    /// Whether it does nothing but fill a table that it imports.
    pub(super) fn is_filler(&self) -> bool {
        self.filler.is_some()
    }

    /// The functions that a filler puts into a table, each with the number of its entry.
    pub(super) fn filled(&self) -> impl Iterator<Item = (u32, u32)> + use<'_> {
        let fillers = self.filler.iter();
        fillers.flat_map(|filler| (filler.first..).zip(filler.functions.iter().copied()))
    }

    /// The import that function `index` is, if it is one.
    pub(super) fn import_of(&self, index: u32) -> Option<&Import<'a>> {
        let import = self.imported.get(index as usize)?;
        self.imports.get(*import)
    }

    /// How many functions it has, those that it imports included.
    pub(super) fn functions(&self) -> usize {
        self.imported.len() + self.bodies.len()
    }

    /// The functions that function `index` refers to. None for one that is imported.
    pub(super) fn refers_to(&self, index: u32) -> Option<&[u32]> {
        self.body(index).map(|body| body.functions.as_slice())
    }

    /// The entries of the only table that function `index` calls.
    pub(super) fn calls(&self, index: u32) -> &[u32] {
        self.body(index).map_or(&[], |body| &body.entries)
    }

    fn body(&self, index: u32) -> Option<&Body> {
        let own = (index as usize).checked_sub(self.imported.len())?;
        self.bodies.get(own)
    }

    /// The function that is exported as `name`. None where it is something else.
    pub(super) fn exported_function(&self, name: &str) -> Option<u32> {
        let export = self.exports.get(name)?;
        (export.space == Space::CoreFunc).then_some(export.index)
    }

    /// Whether it exports a table of its own as `name`.
    pub(super) fn has_table(&self, name: &str) -> bool {
        let table = |at: &At| at.space == Space::CoreTable && at.index >= self.imported_tables;
        self.exports.get(name).is_some_and(table)
    }

    fn take(&mut self, payload: Payload<'a>, shape: &mut Shape<'a>) -> Option<()> {
        match payload {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.ok()?;
                    let name = (import.module, import.name);
                    let space = match import.ty {
                        TypeRef::Func(_) | TypeRef::FuncExact(_) => {
                            self.imported.push(self.imports.len());
                            Space::CoreFunc
                        }
                        TypeRef::Table(table) => {
                            shape.tables.push((Some(name), table.initial));
                            self.imported_tables += 1;
                            Space::CoreTable
                        }
                        TypeRef::Memory(_) => Space::CoreMemory,
                        TypeRef::Global(_) => Space::CoreGlobal,
                        TypeRef::Tag(_) => Space::CoreTag,
                    };
                    let (module, name) = name;
                    self.imports.push(Import {
                        module,
                        name,
                        space,
                    });
                }
            }
            Payload::TableSection(section) => {
                for table in section {
                    let table = table.ok()?;
                    shape.tables.push((None, table.ty.initial));
                    if table.ty.initial > SMALL_TABLE {
                        self.effect.and(Effect::Any);
                    }
                    if let wasmparser::TableInit::Expr(init) = table.init {
                        self.constant(&init)?;
                    }
                }
            }
            // It counts among what an instance may have, whoever uses it.
            Payload::MemorySection(section) if section.count() > 0 => {
                self.effect.and(Effect::Any);
            }
            Payload::GlobalSection(section) => {
                for global in section {
                    self.constant(&global.ok()?.init_expr)?;
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export.ok()?;
                    let at = At::new(Space::of_core(export.kind), export.index);
                    self.exports.insert(export.name, at);
                }
            }
            Payload::StartSection { func, .. } => {
                self.roots.push(func);
                self.effect.and(Effect::Any);
            }
            Payload::ElementSection(section) => {
                for segment in section {
                    let segment = segment.ok()?;
                    shape.segments.push(segment.clone());
                    let length = self.elements(segment.items)?;
                    if let ElementKind::Active {
                        table_index,
                        offset_expr,
                    } = segment.kind
                    {
                        let table = table_index.unwrap_or(0) as usize;
                        let (imported, room) = *shape.tables.get(table)?;
                        let end = constant(&offset_expr).and_then(|at| at.checked_add(length));
                        self.effect.and(match (end, imported) {
                            (Some(end), Some(name)) if end <= room => Effect::Tables(vec![name]),
                            (Some(end), None) if end <= room => Effect::None,
                            _ => Effect::Any,
                        });
                    }
                }
            }
            // Into a memory of its own, or into that of another.
            Payload::DataSection(section) => {
                for segment in section {
                    if let DataKind::Active { .. } = segment.ok()?.kind {
                        self.effect.and(Effect::Any);
                    }
                }
            }
            Payload::CodeSectionEntry(body) => {
                let body = self.references(&body)?;
                self.bodies.push(body);
            }
            Payload::UnknownSection { .. } => return None,
            _ => {}
        }
        Some(())
    }

    fn references(&mut self, body: &FunctionBody<'_>) -> Option<Body> {
        let mut operators = body.get_operators_reader().ok()?;
        let mut references = Body::default();
        let mut constant = None;
        while !operators.eof() {
            let operator = operators.read().ok()?;
            references.functions.extend(function_of(&operator));
            match (&operator, constant) {
                (
                    Operator::CallIndirect { .. } | Operator::ReturnCallIndirect { .. },
                    Some(entry),
                ) => references.entries.push(entry),
                (operator, _) if uses_table(operator) => self.plain_table = false,
                _ => {}
            }
            constant = match operator {
                Operator::I32Const { value } => Some(value.cast_unsigned()),
                _ => None,
            };
        }
        references.functions.sort_unstable();
        references.functions.dedup();
        Some(references)
    }

    /// Keeps the functions of a segment, and says how many entries that has.
    fn elements(&mut self, items: ElementItems<'a>) -> Option<u64> {
        let count = match items {
            ElementItems::Functions(functions) => {
                let count = functions.count();
                for function in functions {
                    self.roots.push(function.ok()?);
                }
                count
            }
            ElementItems::Expressions(_, expressions) => {
                let count = expressions.count();
                for expression in expressions {
                    self.constant(&expression.ok()?)?;
                }
                count
            }
        };
        Some(u64::from(count))
    }

    /// Keeps the functions that a constant expression refers to.
    fn constant(&mut self, expression: &ConstExpr<'a>) -> Option<()> {
        let mut operators = expression.get_operators_reader();
        while !operators.eof() {
            self.roots.extend(function_of(&operators.read().ok()?));
        }
        Some(())
    }
}

/// What tables a module has, and what is put into them.
#[derive(Default)]
struct Shape<'a> {
    /// Their names where they are imported, and how many entries they have.
    tables: Vec<(Option<(&'a str, &'a str)>, u64)>,
    /// What goes into tables.
    segments: Vec<Element<'a>>,
}

impl Shape<'_> {
    /// The only segment, if it puts functions into a table.
    fn filler(&self) -> Option<Filler> {
        let [segment] = self.segments.as_slice() else {
            return None;
        };
        let ElementKind::Active { offset_expr, .. } = &segment.kind else {
            return None;
        };
        let ElementItems::Functions(functions) = &segment.items else {
            return None;
        };
        let functions: Result<_, _> = functions.clone().into_iter().collect();
        Some(Filler {
            first: u32::try_from(constant(offset_expr)?).ok()?,
            functions: functions.ok()?,
        })
    }
}

/// The function that an instruction refers to.
fn function_of(operator: &Operator<'_>) -> Option<u32> {
    match *operator {
        Operator::Call { function_index }
        | Operator::ReturnCall { function_index }
        | Operator::RefFunc { function_index } => Some(function_index),
        _ => None,
    }
}

/// Whether an instruction does something with a table.
fn uses_table(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::CallIndirect { .. }
            | Operator::ReturnCallIndirect { .. }
            | Operator::TableGet { .. }
            | Operator::TableSet { .. }
            | Operator::TableGrow { .. }
            | Operator::TableSize { .. }
            | Operator::TableFill { .. }
            | Operator::TableCopy { .. }
            | Operator::TableInit { .. }
            | Operator::ElemDrop { .. }
    )
}
