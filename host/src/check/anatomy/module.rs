//! A core module, as far as it says what lies where in its memories.
#![forbid(unsafe_code)]

use std::ops::Range;

use wasmparser::{
    BinaryReaderError, CustomSectionReader, DataKind, DataSectionReader, ExportSectionReader,
    ExternalKind, GlobalSectionReader, ImportSectionReader, KnownCustom, MemoryType, Name, NameMap,
    NameSectionReader, Payload, TypeRef, ValType,
};

use super::debug::Sections;
use crate::segments::constant;

/// What a stack pointer of `wasm-ld` is a multiple of.
const STACK_ALIGNMENT: u64 = 16;

/// What `wasm-ld` puts in front of the name of an address that it has found out itself.
const INTERNAL: &str = "GOT.data.internal.";

/// Bytes of a page, where a memory does not say otherwise.
const PAGE: u64 = 1 << 16;

/// A core module.
#[derive(Default)]
pub(super) struct Module<'a> {
    imported_memories: usize,
    memories: Vec<MemoryType>,
    imported_globals: usize,
    globals: Vec<Global>,
    /// By their number, as exports and the name section call them.
    global_names: Vec<(u32, &'a str)>,
    segments: Vec<Segment<'a>>,
    pub(super) debug: Sections<'a>,
}

/// A global variable of the module itself.
struct Global {
    is_mutable: bool,
    ty: ValType,
    /// What it is in the beginning, if a constant says so.
    value: Option<u64>,
}

/// A data segment that is in memory from the start.
pub(super) struct Segment<'a> {
    /// Number of the memory in the module.
    memory: usize,
    /// Its addresses, where they are fixed.
    pub(super) span: Option<Range<u64>>,
    pub(super) name: Option<&'a str>,
}

impl<'a> Module<'a> {
    /// Learns what a piece of the module says.
    pub(super) fn read(&mut self, payload: Payload<'a>) -> Result<(), BinaryReaderError> {
        match payload {
            Payload::ImportSection(section) => self.imports(section),
            Payload::MemorySection(section) => {
                self.memories = section.into_iter().collect::<Result<_, _>>()?;
                Ok(())
            }
            Payload::GlobalSection(section) => self.globals(section),
            Payload::ExportSection(section) => self.exports(section),
            Payload::DataSection(section) => self.data(section),
            Payload::CustomSection(section) => {
                self.custom(&section);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn imports(&mut self, section: ImportSectionReader<'a>) -> Result<(), BinaryReaderError> {
        for import in section.into_imports() {
            match import?.ty {
                TypeRef::Memory(_) => self.imported_memories += 1,
                TypeRef::Global(_) => self.imported_globals += 1,
                _ => {}
            }
        }
        Ok(())
    }

    fn globals(&mut self, section: GlobalSectionReader<'a>) -> Result<(), BinaryReaderError> {
        for global in section {
            let global = global?;
            self.globals.push(Global {
                is_mutable: global.ty.mutable,
                ty: global.ty.content_type,
                value: constant(&global.init_expr),
            });
        }
        Ok(())
    }

    fn exports(&mut self, section: ExportSectionReader<'a>) -> Result<(), BinaryReaderError> {
        for export in section {
            let export = export?;
            if export.kind == ExternalKind::Global {
                self.global_names.push((export.index, export.name));
            }
        }
        Ok(())
    }

    fn data(&mut self, section: DataSectionReader<'a>) -> Result<(), BinaryReaderError> {
        for segment in section {
            let segment = segment?;
            let (memory, span) = match segment.kind {
                DataKind::Active {
                    memory_index,
                    offset_expr,
                } => {
                    let span = constant(&offset_expr).and_then(|start| {
                        let end = start.checked_add(segment.data.len() as u64)?;
                        Some(start..end)
                    });
                    (memory_index as usize, span)
                }
                // The program puts it where it wants. It counts, since names go by
                // numbers.
                DataKind::Passive => (usize::MAX, None),
            };
            self.segments.push(Segment {
                memory,
                span,
                name: None,
            });
        }
        Ok(())
    }

    /// Nothing depends on custom sections, so that one that makes no sense is left
    /// out and that is all.
    fn custom(&mut self, section: &CustomSectionReader<'a>) {
        if let KnownCustom::Name(names) = section.as_known() {
            self.names(names);
        } else {
            self.debug.add(section.name(), section.data());
        }
    }

    fn names(&mut self, section: NameSectionReader<'a>) {
        for names in section {
            match names {
                Ok(Name::Global(names)) => each(names, |index, name| {
                    self.global_names.push((index, name));
                }),
                // The section is behind the data.
                Ok(Name::Data(names)) => each(names, |index, name| {
                    if let Some(segment) = self.segments.get_mut(index as usize) {
                        segment.name = Some(name);
                    }
                }),
                Ok(_) => {}
                Err(_) => break,
            }
        }
    }

    /// The memories that an instance of it has made, in order: the numbers that
    /// they have in the module.
    pub(super) fn own_memories(&self) -> Range<usize> {
        self.imported_memories..self.imported_memories + self.memories.len()
    }

    /// Whether threads could share one of them. A host makes such memories in
    /// another way.
    pub(super) fn shares_memory(&self) -> bool {
        self.memories.iter().any(|memory| memory.shared)
    }

    /// Bytes that one of its own memories has in the beginning.
    pub(super) fn initial(&self, memory: usize) -> u64 {
        let own = memory.checked_sub(self.imported_memories);
        let Some(ty) = own.and_then(|own| self.memories.get(own)) else {
            return 0;
        };
        let page = ty
            .page_size_log2
            .map_or(Some(PAGE), |log2| 1_u64.checked_shl(log2));
        page.map_or(0, |page| ty.initial.saturating_mul(page))
    }

    /// The data segments of one of its memories that lie at fixed addresses.
    pub(super) fn segments(&self, memory: usize) -> impl Iterator<Item = &Segment<'a>> {
        let segments = self.segments.iter();
        segments.filter(move |segment| segment.memory == memory && segment.span.is_some())
    }

    /// What the stack pointer is in the beginning: the one that is called so, or
    /// what `wasm-ld` has put first.
    pub(super) fn stack_pointer(&self) -> Option<u64> {
        if let Some(global) = self.named("__stack_pointer") {
            return global.value.filter(|_| global.is_mutable);
        }
        let first = self.globals.iter().find(|global| {
            global.is_mutable && global.ty == ValType::I32 && global.value.is_some()
        });
        // A number without a name may count anything.
        let value = first?.value?;
        (value > 0 && value.is_multiple_of(STACK_ALIGNMENT)).then_some(value)
    }

    /// The value of a constant that the linker has given this name, an address.
    pub(super) fn address_of(&self, name: &str) -> Option<u64> {
        let global = self.named(name)?;
        global.value.filter(|_| !global.is_mutable)
    }

    /// One of its own globals. AssemblyScript has the name of a file in front, and
    /// `wasm-ld` something else where code that may be put anywhere has to do with it.
    fn named(&self, name: &str) -> Option<&Global> {
        let is_it = |full: &str| {
            full.rsplit('/').next() == Some(name) || full.strip_prefix(INTERNAL) == Some(name)
        };
        let mut found = self.global_names.iter().filter(|(_, full)| is_it(full));
        found.find_map(|(index, _)| {
            let own = (*index as usize).checked_sub(self.imported_globals)?;
            self.globals.get(own)
        })
    }
}

/// The names that can be read.
fn each<'a>(names: NameMap<'a>, mut name: impl FnMut(u32, &'a str)) {
    for naming in names {
        let Ok(naming) = naming else { break };
        name(naming.index, naming.name);
    }
}
