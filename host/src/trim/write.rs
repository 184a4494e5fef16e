//! A component as it is written without what nobody needs.

use wasm_encoder::reencode::{self, Reencode, ReencodeComponent};
use wasm_encoder::{
    CanonicalFunctionSection, Component, ComponentAliasSection, ComponentExportSection,
    ComponentInstanceSection, InstanceSection, ModuleArg, RawSection,
};
use wasmparser::{CanonicalFunction, ComponentAlias, ComponentInstance, Instance, Payload};

use super::items::{At, Items, PerSpace, Space, payloads};
use super::module;
use super::needs::Needs;

/// A module that cannot be written without what nobody needs of it.
#[derive(Debug)]
struct Unwritten;

type Result<T = ()> = std::result::Result<T, reencode::Error<Unwritten>>;

/// The section of the names of what a component is made of, by their numbers.
const NAMES: &str = "component-name";

/// The component, of which `items` were read and `needs` found.
pub(super) fn component(
    component: &[u8],
    items: &Items<'_>,
    needs: &Needs<'_, '_>,
) -> Option<Vec<u8>> {
    let mut writer = Writer {
        items,
        needs,
        seen: PerSpace::default(),
        numbers: PerSpace::default(),
        next: PerSpace::default(),
        modules: 0,
    };
    let mut written = Component::new();
    for payload in payloads(component)? {
        writer.section(&mut written, payload, component).ok()?;
    }
    Some(written.finish())
}

struct Writer<'w, 'i, 'a> {
    items: &'w Items<'a>,
    needs: &'w Needs<'i, 'a>,
    /// How many items of each index space were read.
    seen: PerSpace<u32>,
    /// The new numbers of those that stay, in the order of the old ones.
    numbers: PerSpace<Vec<u32>>,
    /// The next new number.
    next: PerSpace<u32>,
    /// How many modules were read.
    modules: u32,
}

/// The number of an item that was left out: there is none such, so that whoever refers to
/// one is not valid.
const LEFT_OUT: u32 = u32::MAX;

impl Writer<'_, '_, '_> {
    fn section(&mut self, written: &mut Component, payload: Payload<'_>, whole: &[u8]) -> Result {
        match payload {
            Payload::ComponentAliasSection(section) => {
                let mut aliases = ComponentAliasSection::new();
                for alias in section {
                    let alias = alias?;
                    if alias_space(&alias).is_none_or(|space| self.stays(space)) {
                        aliases.alias(self.component_alias(alias)?);
                    }
                }
                if !aliases.is_empty() {
                    written.section(&aliases);
                }
            }
            Payload::ComponentCanonicalSection(section) => {
                let mut functions = CanonicalFunctionSection::new();
                for function in section {
                    let function = function?;
                    let space = match &function {
                        CanonicalFunction::Lift { .. } => Space::Func,
                        _ => Space::CoreFunc,
                    };
                    if self.stays(space) {
                        self.parse_component_canonical(&mut functions, function)?;
                    }
                }
                if !functions.is_empty() {
                    written.section(&functions);
                }
            }
            Payload::InstanceSection(section) => {
                let mut instances = InstanceSection::new();
                for instance in section {
                    let index = *self.seen.get(Space::CoreInstance);
                    let instance = instance?;
                    if self.stays(Space::CoreInstance) {
                        self.core_instance(&mut instances, index, &instance)?;
                    }
                }
                if !instances.is_empty() {
                    written.section(&instances);
                }
            }
            Payload::ComponentInstanceSection(section) => {
                let mut instances = ComponentInstanceSection::new();
                for instance in section {
                    let instance: ComponentInstance<'_> = instance?;
                    if self.stays(Space::Instance) {
                        self.parse_component_instance(&mut instances, instance)?;
                    }
                }
                if !instances.is_empty() {
                    written.section(&instances);
                }
            }
            Payload::ComponentExportSection(section) => {
                let mut exports = ComponentExportSection::new();
                for export in section {
                    let export = export?;
                    if Space::of(export.kind).is_none_or(|space| self.stays(space)) {
                        self.parse_component_export(&mut exports, export)?;
                    }
                }
                if !exports.is_empty() {
                    written.section(&exports);
                }
            }
            Payload::ComponentImportSection(section) => {
                let (id, range) = (wasm_encoder::ComponentSectionId::Import, section.range());
                for import in section {
                    match import?.ty {
                        wasmparser::ComponentTypeRef::Func(_) => self.stays(Space::Func),
                        wasmparser::ComponentTypeRef::Instance(_) => self.stays(Space::Instance),
                        _ => true,
                    };
                }
                let data = &whole[range];
                written.section(&RawSection {
                    id: id.into(),
                    data,
                });
            }
            Payload::ModuleSection {
                unchecked_range, ..
            } => {
                let index = self.modules;
                self.modules += 1;
                let id = wasm_encoder::ComponentSectionId::CoreModule.into();
                let lean = self.module(index)?;
                let data = lean.as_deref().unwrap_or(&whole[unchecked_range]);
                written.section(&RawSection { id, data });
            }
            Payload::CustomSection(section) if section.name() == NAMES => {}
            other => {
                if let Some((id, range)) = other.as_section() {
                    let data = &whole[range];
                    written.section(&RawSection { id, data });
                }
            }
        }
        Ok(())
    }

    /// Whether the next item of `space` stays, which has its new number then.
    fn stays(&mut self, space: Space) -> bool {
        let seen = self.seen.get_mut(space);
        let index = *seen;
        *seen += 1;
        let stays = self.needs.is_live(At::new(space, index));
        let next = self.next.get_mut(space);
        let number = if stays { *next } else { LEFT_OUT };
        *next += u32::from(stays);
        self.numbers.get_mut(space).push(number);
        stays
    }

    fn number(&self, space: Space, index: u32) -> u32 {
        let numbers = self.numbers.get(space);
        numbers.get(index as usize).copied().unwrap_or(LEFT_OUT)
    }

    /// Module `index` without what nobody needs of it. None where it stays as it is.
    fn module(&self, index: u32) -> Result<Option<Vec<u8>>> {
        let (Some(kept), Some(module)) = (self.needs.kept(index), self.items.module(index)) else {
            return Ok(None);
        };
        module::write(module, &kept)
            .map(Some)
            .ok_or(reencode::Error::UserError(Unwritten))
    }

    /// A core instance, with those arguments and exports alone that somebody uses.
    fn core_instance(
        &mut self,
        instances: &mut InstanceSection,
        index: u32,
        instance: &Instance<'_>,
    ) -> Result {
        match instance {
            Instance::Instantiate { module_index, args } => {
                let args = args.iter().filter_map(|arg| {
                    let number = self.number(Space::CoreInstance, arg.index);
                    (number != LEFT_OUT).then_some((arg.name, ModuleArg::Instance(number)))
                });
                let args: Vec<_> = args.collect();
                instances.instantiate(*module_index, args);
            }
            Instance::FromExports(exports) => {
                let mut used = Vec::new();
                for export in exports {
                    if self.needs.uses(index, export.name) {
                        let kind = self.export_kind(export.kind)?;
                        let number = self.number(Space::of_core(export.kind), export.index);
                        used.push((export.name, kind, number));
                    }
                }
                instances.export_items(used);
            }
        }
        Ok(())
    }
}

/// The index space that an alias adds to. None where its items always stay.
fn alias_space(alias: &ComponentAlias<'_>) -> Option<Space> {
    match alias {
        ComponentAlias::InstanceExport { kind, .. } => Space::of(*kind),
        ComponentAlias::CoreInstanceExport { kind, .. } => Some(Space::of_core(*kind)),
        ComponentAlias::Outer { .. } => None,
    }
}

impl Reencode for Writer<'_, '_, '_> {
    type Error = Unwritten;

    fn function_index(&mut self, index: u32) -> Result<u32> {
        Ok(self.number(Space::CoreFunc, index))
    }

    fn memory_index(&mut self, index: u32) -> Result<u32> {
        Ok(self.number(Space::CoreMemory, index))
    }
}

impl ReencodeComponent for Writer<'_, '_, '_> {
    fn instance_index(&mut self, index: u32) -> u32 {
        self.number(Space::CoreInstance, index)
    }

    fn component_instance_index(&mut self, index: u32) -> u32 {
        self.number(Space::Instance, index)
    }

    fn component_func_index(&mut self, index: u32) -> u32 {
        self.number(Space::Func, index)
    }
}
