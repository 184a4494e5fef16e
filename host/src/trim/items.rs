//! What a component is made of: every item of its index spaces, and what it refers to.

use std::collections::HashMap;

use wasmparser::{
    CanonicalFunction, CanonicalOption, Chunk, ComponentAlias, ComponentExternalKind,
    ComponentInstance, ComponentType, ComponentTypeRef, ExternalKind, Instance, Parser, Payload,
};

use super::Parts;
use super::module::Module;

/// Instances of core modules in a component that is looked at. The engine takes no more than
/// 24.
const MOST_INSTANCES: usize = 64;

/// The index spaces whose items can be left out. Types, modules and components stay as they
/// are, with their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    CoreInstance,
    CoreFunc,
    CoreTable,
    CoreMemory,
    CoreGlobal,
    CoreTag,
    Instance,
    Func,
}

impl Space {
    const COUNT: usize = 8;

    pub(super) fn of_core(kind: ExternalKind) -> Self {
        match kind {
            ExternalKind::Func | ExternalKind::FuncExact => Self::CoreFunc,
            ExternalKind::Table => Self::CoreTable,
            ExternalKind::Memory => Self::CoreMemory,
            ExternalKind::Global => Self::CoreGlobal,
            ExternalKind::Tag => Self::CoreTag,
        }
    }

    /// None for what always stays.
    pub(super) fn of(kind: ComponentExternalKind) -> Option<Self> {
        match kind {
            ComponentExternalKind::Func => Some(Self::Func),
            ComponentExternalKind::Instance => Some(Self::Instance),
            ComponentExternalKind::Module
            | ComponentExternalKind::Value
            | ComponentExternalKind::Type
            | ComponentExternalKind::Component => None,
        }
    }
}

/// One value for each index space.
#[derive(Debug)]
pub(super) struct PerSpace<T>([T; Space::COUNT]);

impl<T: Default> Default for PerSpace<T> {
    fn default() -> Self {
        Self(Default::default())
    }
}

impl<T> PerSpace<T> {
    pub(super) fn get(&self, space: Space) -> &T {
        &self.0[space as usize]
    }

    pub(super) fn get_mut(&mut self, space: Space) -> &mut T {
        &mut self.0[space as usize]
    }
}

/// An item, by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    pub(super) space: Space,
    pub(super) index: u32,
}

impl At {
    pub(super) fn new(space: Space, index: u32) -> Self {
        Self { space, index }
    }
}

/// The core instances that a module is given, by the names that it has for them.
pub(super) type Args<'a> = HashMap<&'a str, u32>;

/// What an item is.
#[derive(Debug)]
pub(super) enum Item<'a> {
    /// It comes from outside.
    Import,
    /// An export of a core instance.
    OfCore { instance: u32, name: &'a str },
    /// An export of an instance.
    Of { instance: u32 },
    /// A function across the border of the component, and what it needs there.
    Canonical { needs: Vec<At> },
    /// A core module, with core instances to import from.
    CoreInstance { module: u32, args: Args<'a> },
    /// Core items in a bag.
    CoreBag(HashMap<&'a str, At>),
    /// A component with what it imports, or items in a bag.
    Instance { needs: Vec<At> },
    /// Another item, by the name of an export.
    Export { name: &'a str, of: At },
}

/// A component, as far as what is left out can depend on it.
#[derive(Debug, Default)]
pub(super) struct Items<'a> {
    items: PerSpace<Vec<Item<'a>>>,
    modules: Vec<Module<'a>>,
    /// What is kept in any case.
    pub(super) roots: Vec<At>,
}

impl<'a> Items<'a> {
    /// Reads `component`, whose exports are kept that `kept` says. None where there is
    /// something in it that is not known here.
    pub(super) fn read(component: &'a [u8], kept: impl Fn(&str) -> bool) -> Option<Self> {
        let mut items = Self::default();
        for payload in payloads(component)? {
            items.take(component, payload, &kept)?;
        }
        (items.instances().count() <= MOST_INSTANCES).then_some(items)
    }

    pub(super) fn get(&self, at: At) -> Option<&Item<'a>> {
        self.items.get(at.space).get(at.index as usize)
    }

    /// All of one index space, in its order.
    pub(super) fn all(&self, space: Space) -> &[Item<'a>] {
        self.items.get(space)
    }

    /// The core instances, each with its number, its module and what that is given.
    pub(super) fn instances(&self) -> impl Iterator<Item = (u32, u32, &Args<'a>)> + use<'_, 'a> {
        let core = (0..).zip(self.all(Space::CoreInstance));
        core.filter_map(|(index, item)| match item {
            Item::CoreInstance { module, args } => Some((index, *module, args)),
            _ => None,
        })
    }

    pub(super) fn module(&self, index: u32) -> Option<&Module<'a>> {
        self.modules.get(index as usize)
    }

    /// What each instance of the component consists of.
    pub(super) fn parts(&self) -> Option<Parts> {
        let mut parts = Parts {
            modules: 0,
            imports: 0,
        };
        for (_, module, _) in self.instances() {
            parts.modules += 1;
            parts.imports += self.module(module)?.imports.len();
        }
        Some(parts)
    }

    /// Whether something is exported and kept as a version of `interface`.
    pub(super) fn exports(&self, interface: &str) -> bool {
        let of = |name: &str| name.split('@').next() == Some(interface);
        self.roots
            .iter()
            .any(|root| matches!(self.get(*root), Some(Item::Export { name, .. }) if of(name)))
    }

    fn add(&mut self, space: Space, item: Item<'a>) -> At {
        let items = self.items.get_mut(space);
        items.push(item);
        let index = u32::try_from(items.len() - 1).unwrap_or(u32::MAX);
        At { space, index }
    }

    fn take(
        &mut self,
        component: &'a [u8],
        payload: Payload<'a>,
        kept: impl Fn(&str) -> bool,
    ) -> Option<()> {
        match payload {
            Payload::ModuleSection {
                unchecked_range, ..
            } => {
                let bytes = component.get(unchecked_range)?;
                self.modules.push(Module::read(bytes)?);
            }
            Payload::ComponentTypeSection(section) => {
                for ty in section {
                    // Its destructor has a number.
                    if let ComponentType::Resource { dtor: Some(_), .. } = ty.ok()? {
                        return None;
                    }
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section {
                    let space = match import.ok()?.ty {
                        ComponentTypeRef::Func(_) => Space::Func,
                        ComponentTypeRef::Instance(_) => Space::Instance,
                        ComponentTypeRef::Type(_) => continue,
                        ComponentTypeRef::Module(_)
                        | ComponentTypeRef::Value(_)
                        | ComponentTypeRef::Component(_) => return None,
                    };
                    let import = self.add(space, Item::Import);
                    self.roots.push(import);
                }
            }
            Payload::ComponentAliasSection(section) => {
                for alias in section {
                    self.alias(alias.ok()?)?;
                }
            }
            Payload::ComponentCanonicalSection(section) => {
                for function in section {
                    self.canonical(function.ok()?)?;
                }
            }
            Payload::InstanceSection(section) => {
                for instance in section {
                    self.core_instance(instance.ok()?);
                }
            }
            Payload::ComponentInstanceSection(section) => {
                for instance in section {
                    self.instance(instance.ok()?)?;
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    let export = export.ok()?;
                    let name = export.name.name;
                    match export.kind {
                        ComponentExternalKind::Type => {}
                        kind => {
                            let space = Space::of(kind)?;
                            let of = At::new(space, export.index);
                            let at = self.add(space, Item::Export { name, of });
                            if kept(name) {
                                self.roots.push(at);
                            }
                        }
                    }
                }
            }
            Payload::ComponentStartSection { .. } | Payload::UnknownSection { .. } => return None,
            _ => {}
        }
        Some(())
    }

    fn alias(&mut self, alias: ComponentAlias<'a>) -> Option<()> {
        match alias {
            ComponentAlias::InstanceExport {
                kind,
                instance_index: instance,
                ..
            } => match Space::of(kind) {
                Some(space) => {
                    self.add(space, Item::Of { instance });
                }
                None if kind == ComponentExternalKind::Type => {
                    self.roots.push(At::new(Space::Instance, instance));
                }
                None => return None,
            },
            ComponentAlias::CoreInstanceExport {
                kind,
                instance_index: instance,
                name,
            } => {
                self.add(Space::of_core(kind), Item::OfCore { instance, name });
            }
            // Nothing is around this component.
            ComponentAlias::Outer { .. } => {}
        }
        Some(())
    }

    fn canonical(&mut self, function: CanonicalFunction) -> Option<()> {
        let (space, mut needs, options) = match function {
            CanonicalFunction::Lift {
                core_func_index,
                options,
                ..
            } => {
                let core = At::new(Space::CoreFunc, core_func_index);
                (Space::Func, vec![core], options)
            }
            CanonicalFunction::Lower {
                func_index,
                options,
            } => {
                let function = At::new(Space::Func, func_index);
                (Space::CoreFunc, vec![function], options)
            }
            CanonicalFunction::ResourceNew { .. }
            | CanonicalFunction::ResourceDrop { .. }
            | CanonicalFunction::ResourceRep { .. } => (Space::CoreFunc, vec![], [].into()),
            // Those of WASI 0.3, which has a door of its own.
            _ => return None,
        };
        for option in &options {
            match *option {
                CanonicalOption::UTF8 | CanonicalOption::UTF16 | CanonicalOption::CompactUTF16 => {}
                CanonicalOption::Memory(memory) => needs.push(At::new(Space::CoreMemory, memory)),
                CanonicalOption::Realloc(function) | CanonicalOption::PostReturn(function) => {
                    needs.push(At::new(Space::CoreFunc, function));
                }
                _ => return None,
            }
        }
        self.add(space, Item::Canonical { needs });
        Some(())
    }

    fn core_instance(&mut self, instance: Instance<'a>) {
        let item = match instance {
            Instance::Instantiate { module_index, args } => Item::CoreInstance {
                module: module_index,
                args: args.iter().map(|arg| (arg.name, arg.index)).collect(),
            },
            Instance::FromExports(exports) => {
                let named = exports.iter().map(|export| {
                    let at = At::new(Space::of_core(export.kind), export.index);
                    (export.name, at)
                });
                Item::CoreBag(named.collect())
            }
        };
        self.add(Space::CoreInstance, item);
    }

    fn instance(&mut self, instance: ComponentInstance<'a>) -> Option<()> {
        let needs = match instance {
            ComponentInstance::Instantiate { args, .. } => {
                let args = args.iter().map(|arg| (arg.kind, arg.index));
                needed(args)?
            }
            ComponentInstance::FromExports(exports) => {
                let exports = exports.iter().map(|export| (export.kind, export.index));
                needed(exports)?
            }
        };
        self.add(Space::Instance, Item::Instance { needs });
        Some(())
    }
}

/// Those of these that may be left out otherwise.
fn needed(items: impl Iterator<Item = (ComponentExternalKind, u32)>) -> Option<Vec<At>> {
    let mut needs = Vec::new();
    for (kind, index) in items {
        match Space::of(kind) {
            Some(space) => needs.push(At::new(space, index)),
            None if kind == ComponentExternalKind::Value => return None,
            None => {}
        }
    }
    Some(needs)
}

/// The sections of a component itself, without those of what is nested in it.
pub(super) fn payloads(component: &[u8]) -> Option<Vec<Payload<'_>>> {
    let mut parser = Parser::new(0);
    let mut rest = component;
    let mut payloads = Vec::new();
    while !rest.is_empty() {
        let Chunk::Parsed { consumed, payload } = parser.parse(rest, true).ok()? else {
            return None;
        };
        let nested = match &payload {
            Payload::ModuleSection {
                unchecked_range, ..
            }
            | Payload::ComponentSection {
                unchecked_range, ..
            } => unchecked_range.len(),
            _ => 0,
        };
        rest = rest.get(consumed.checked_add(nested)?..)?;
        payloads.push(payload);
    }
    Some(payloads)
}
