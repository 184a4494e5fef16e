//! What a component consists of, as far as it decides which memories there will be:
//! core modules, components within it, and what is made of them in which order.
#![forbid(unsafe_code)]

use wasmparser::{
    BinaryReaderError, ComponentAlias, ComponentExternalKind, ComponentInstance,
    ComponentOuterAliasKind, ComponentTypeRef, Encoding, Instance, Parser, Payload,
};

use super::module::Module;

/// Components within each other. None with more is loaded (`unfold`).
const MAX_DEPTH: usize = 100;

/// A component, and all that it contains.
pub(super) struct Structure<'a> {
    /// The core modules in the file, in order.
    pub(super) modules: Vec<Module<'a>>,
    /// The components in the file. The first is the whole.
    pub(super) components: Vec<Vec<Item<'a>>>,
}

/// What may be passed on, and has numbers of its own in a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Module,
    Component,
    Instance,
}

/// Something in a component, by its sort and its number there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Index {
    pub(super) sort: Sort,
    pub(super) number: usize,
}

/// A step in the life of a component.
#[derive(Debug)]
pub(super) enum Item<'a> {
    /// A core module is in it: its place among those of the file.
    Module(usize),
    /// A component is in it: its place among those of the file.
    Component(usize),
    /// It gets something from who makes an instance of it.
    Import(Sort, &'a str),
    /// It takes something from a component around it, so many further out.
    Outer(usize, Index),
    /// It takes what an instance exports.
    Taken {
        sort: Sort,
        instance: usize,
        name: &'a str,
    },
    /// It makes an instance of a component, which gets this.
    Instance(usize, Vec<(&'a str, Index)>),
    /// It calls this an instance.
    Group(Vec<(&'a str, Index)>),
    /// It exports something, which has another number from then on.
    Export(&'a str, Index),
    /// It makes an instance of a core module.
    CoreInstance(usize),
}

/// What is being read.
enum Scope {
    Module(usize),
    Component(usize),
}

/// It cannot be parsed, or nobody would load it.
#[derive(Debug)]
pub(super) struct Unreadable;

impl From<BinaryReaderError> for Unreadable {
    fn from(_: BinaryReaderError) -> Self {
        Self
    }
}

impl<'a> Structure<'a> {
    /// Reads a component, or a core module, which counts as a component with nothing
    /// else.
    pub(super) fn read(component: &'a [u8]) -> Result<Self, Unreadable> {
        let mut read = Self {
            modules: Vec::new(),
            components: Vec::new(),
        };
        // The outermost first.
        let mut scopes: Vec<Scope> = Vec::new();
        for payload in Parser::new(0).parse_all(component) {
            match payload? {
                Payload::Version { encoding, .. } => {
                    if scopes.len() >= MAX_DEPTH {
                        return Err(Unreadable);
                    }
                    let scope = read.begin(encoding, scopes.last());
                    scopes.push(scope);
                }
                Payload::End(_) => {
                    scopes.pop();
                }
                payload => match scopes.last() {
                    Some(Scope::Module(module)) => read.modules[*module].read(payload)?,
                    Some(Scope::Component(component)) => {
                        items(payload, &mut read.components[*component])?;
                    }
                    None => {}
                },
            }
        }
        Ok(read)
    }

    fn begin(&mut self, encoding: Encoding, around: Option<&Scope>) -> Scope {
        let (modules, components) = (self.modules.len(), self.components.len());
        let (item, scope) = match encoding {
            Encoding::Module => {
                self.modules.push(Module::default());
                (Item::Module(modules), Scope::Module(modules))
            }
            Encoding::Component => {
                self.components.push(Vec::new());
                (Item::Component(components), Scope::Component(components))
            }
        };
        match (around, &scope) {
            (Some(Scope::Component(around)), _) => self.components[*around].push(item),
            // A core module by itself.
            (None, Scope::Module(_)) => {
                self.components.push(vec![item, Item::CoreInstance(0)]);
            }
            _ => {}
        }
        scope
    }
}

/// What a piece of a component adds to it.
fn items<'a>(payload: Payload<'a>, items: &mut Vec<Item<'a>>) -> Result<(), BinaryReaderError> {
    match payload {
        Payload::InstanceSection(section) => {
            for instance in section {
                if let Instance::Instantiate { module_index, .. } = instance? {
                    items.push(Item::CoreInstance(module_index as usize));
                }
            }
        }
        Payload::ComponentInstanceSection(section) => {
            for instance in section {
                items.push(match instance? {
                    ComponentInstance::Instantiate {
                        component_index,
                        args,
                    } => {
                        let args = args.iter();
                        let args = args
                            .filter_map(|arg| Some((arg.name, Index::new(arg.kind, arg.index)?)));
                        Item::Instance(component_index as usize, args.collect())
                    }
                    ComponentInstance::FromExports(exports) => {
                        let exports = exports.iter().filter_map(|export| {
                            Some((export.name.name, Index::new(export.kind, export.index)?))
                        });
                        Item::Group(exports.collect())
                    }
                });
            }
        }
        Payload::ComponentAliasSection(section) => {
            for alias in section {
                items.extend(alias_of(&alias?));
            }
        }
        Payload::ComponentImportSection(section) => {
            for import in section {
                let import = import?;
                let sort = match import.ty {
                    ComponentTypeRef::Module(_) => Sort::Module,
                    ComponentTypeRef::Component(_) => Sort::Component,
                    ComponentTypeRef::Instance(_) => Sort::Instance,
                    _ => continue,
                };
                items.push(Item::Import(sort, import.name.name));
            }
        }
        Payload::ComponentExportSection(section) => {
            for export in section {
                let export = export?;
                if let Some(index) = Index::new(export.kind, export.index) {
                    items.push(Item::Export(export.name.name, index));
                }
            }
        }
        _ => {}
    }
    Ok(())
}

fn alias_of<'a>(alias: &ComponentAlias<'a>) -> Option<Item<'a>> {
    match *alias {
        ComponentAlias::InstanceExport {
            kind,
            instance_index,
            name,
        } => Some(Item::Taken {
            sort: Sort::of(kind)?,
            instance: instance_index as usize,
            name,
        }),
        ComponentAlias::Outer { kind, count, index } => {
            let sort = match kind {
                ComponentOuterAliasKind::CoreModule => Sort::Module,
                ComponentOuterAliasKind::Component => Sort::Component,
                _ => return None,
            };
            let number = index as usize;
            Some(Item::Outer(count as usize, Index { sort, number }))
        }
        ComponentAlias::CoreInstanceExport { .. } => None,
    }
}

impl Sort {
    fn of(kind: ComponentExternalKind) -> Option<Self> {
        match kind {
            ComponentExternalKind::Module => Some(Self::Module),
            ComponentExternalKind::Component => Some(Self::Component),
            ComponentExternalKind::Instance => Some(Self::Instance),
            _ => None,
        }
    }
}

impl Index {
    fn new(kind: ComponentExternalKind, index: u32) -> Option<Self> {
        Some(Self {
            sort: Sort::of(kind)?,
            number: index as usize,
        })
    }
}
