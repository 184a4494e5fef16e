//! A core module as it is written without some of its functions and imports.

use std::collections::HashSet;

use wasm_encoder::Elements;
use wasm_encoder::reencode::{self, Reencode, RoundtripReencoder};
use wasmparser::{FunctionBody, KnownCustom, Name, Parser, TypeRef};

use super::{Filler, Module};

/// What is kept of a module.
#[derive(Debug)]
pub(in crate::trim) struct Kept<'a> {
    /// Which of its functions, those that it imports included.
    pub(in crate::trim) functions: Vec<bool>,
    /// Which of its exports.
    pub(in crate::trim) exports: HashSet<&'a str>,
}

impl Kept<'_> {
    fn keeps(&self, function: u32) -> bool {
        self.functions.get(function as usize) == Some(&true)
    }
}

/// The module without what is not kept.
pub(in crate::trim) fn write(module: &Module<'_>, kept: &Kept<'_>) -> Option<Vec<u8>> {
    let imported = module.imported.len();
    let mut next = 0;
    let numbers = kept.functions.iter().enumerate().map(|(old, &keep)| {
        let stays = keep || old >= imported;
        stays.then(|| {
            next += 1;
            next - 1
        })
    });
    let mut writer = Writer {
        filler: module.filler.as_ref(),
        kept,
        numbers: numbers.collect(),
        body: imported,
    };
    let mut written = wasm_encoder::Module::new();
    let parser = Parser::new(0);
    writer
        .parse_core_module(&mut written, parser, module.bytes)
        .ok()?;
    Some(written.finish())
}

/// A function that was left out is referred to.
#[derive(Debug)]
struct LeftOut;

type Written<T = ()> = Result<T, reencode::Error<LeftOut>>;

struct Writer<'m, 'a> {
    filler: Option<&'m Filler>,
    kept: &'m Kept<'a>,
    /// The new number of each function that has one.
    numbers: Vec<Option<u32>>,
    /// The function whose body comes next, by its old number.
    body: usize,
}

impl Reencode for Writer<'_, '_> {
    type Error = LeftOut;

    fn function_index(&mut self, function: u32) -> Written<u32> {
        let number = self.numbers.get(function as usize).copied().flatten();
        number.ok_or(reencode::Error::UserError(LeftOut))
    }

    fn parse_import_section(
        &mut self,
        imports: &mut wasm_encoder::ImportSection,
        section: wasmparser::ImportSectionReader<'_>,
    ) -> Written {
        let mut functions = 0;
        for import in section.into_imports() {
            let import = import?;
            if let TypeRef::Func(_) | TypeRef::FuncExact(_) = import.ty {
                functions += 1;
                if !self.kept.keeps(functions - 1) {
                    continue;
                }
            }
            self.parse_import(imports, import)?;
        }
        Ok(())
    }

    fn parse_export_section(
        &mut self,
        exports: &mut wasm_encoder::ExportSection,
        section: wasmparser::ExportSectionReader<'_>,
    ) -> Written {
        for export in section {
            let export = export?;
            if self.kept.exports.contains(export.name) {
                self.parse_export(exports, export)?;
            }
        }
        Ok(())
    }

    /// The functions of a filler may be left out, and their entries with them.
    fn parse_element_section(
        &mut self,
        elements: &mut wasm_encoder::ElementSection,
        section: wasmparser::ElementSectionReader<'_>,
    ) -> Written {
        let Some(filler) = self.filler else {
            return reencode::utils::parse_element_section(self, elements, section);
        };
        for (entry, function) in (filler.first..).zip(&filler.functions) {
            if self.kept.keeps(*function) {
                let offset = wasm_encoder::ConstExpr::i32_const(entry.cast_signed());
                let functions = [self.function_index(*function)?];
                elements.active(None, &offset, Elements::Functions((&functions).into()));
            }
        }
        Ok(())
    }

    fn parse_function_body(
        &mut self,
        code: &mut wasm_encoder::CodeSection,
        body: FunctionBody<'_>,
    ) -> Written {
        let kept = self.kept.functions.get(self.body) == Some(&true);
        self.body += 1;
        if kept {
            return reencode::utils::parse_function_body(self, code, body);
        }
        let mut stub = wasm_encoder::Function::new([]);
        stub.instructions().unreachable().end();
        code.function(&stub);
        Ok(())
    }

    /// Names are for the traces of traps. What else there is of debug information tells
    /// of places in code that are elsewhere now.
    fn parse_custom_section(
        &mut self,
        written: &mut wasm_encoder::Module,
        section: wasmparser::CustomSectionReader<'_>,
    ) -> Written {
        if let KnownCustom::Name(parts) = section.as_known() {
            let mut names = wasm_encoder::NameSection::new();
            // Whatever cannot be read is nobody's name.
            for part in parts.into_iter().map_while(Result::ok) {
                match part {
                    Name::Module { name, .. } => names.module(name),
                    Name::Function(functions) => {
                        let mut kept = wasm_encoder::NameMap::new();
                        for naming in functions.into_iter().map_while(Result::ok) {
                            if self.kept.keeps(naming.index) {
                                kept.append(self.function_index(naming.index)?, naming.name);
                            }
                        }
                        names.functions(&kept);
                    }
                    _ => {}
                }
            }
            written.section(&names);
        } else if section.name() == "producers" {
            RoundtripReencoder
                .parse_custom_section(written, section)
                .map_err(|_| reencode::Error::UserError(LeftOut))?;
        }
        Ok(())
    }
}
