//! What is reached from the exports that are kept.

use std::collections::HashSet;

use super::items::{At, Item, Items, PerSpace, Space};
use super::module::{Effect, Kept, Module};

/// What has to stay of a component.
pub(super) struct Needs<'i, 'a> {
    items: &'i Items<'a>,
    live: PerSpace<Vec<bool>>,
    /// The exports that are used of each core instance.
    used: Vec<HashSet<&'a str>>,
    /// The functions of each core instance that are reached.
    reached: Vec<Vec<bool>>,
    /// How often each module is instantiated.
    instances: Vec<u32>,
    /// Items of which nobody has looked yet at what they need.
    open: Vec<Open<'a>>,
}

/// Something that is needed, for the first time.
enum Open<'a> {
    Item(At),
    /// An export of a core instance.
    Export(u32, &'a str),
    /// A function of a core instance.
    Function(u32, u32),
}

impl<'i, 'a> Needs<'i, 'a> {
    /// None where the component refers to something that it has not.
    pub(super) fn of(items: &'i Items<'a>) -> Option<Self> {
        let core = items.all(Space::CoreInstance);
        let mut needs = Self {
            items,
            live: PerSpace::default(),
            used: vec![HashSet::new(); core.len()],
            reached: vec![Vec::new(); core.len()],
            instances: vec![0; items.modules.len()],
            open: Vec::new(),
        };
        for item in core {
            if let Item::CoreInstance { module, .. } = item {
                *needs.instances.get_mut(*module as usize)? += 1;
            }
        }
        for root in &items.roots {
            needs.need(*root);
        }
        needs.settle()?;
        while needs.effects()? {
            needs.settle()?;
        }
        Some(needs)
    }

    pub(super) fn is_live(&self, at: At) -> bool {
        let live = self.live.get(at.space);
        live.get(at.index as usize) == Some(&true)
    }

    /// Whether export `name` of core instance `instance` is used.
    pub(super) fn uses(&self, instance: u32, name: &str) -> bool {
        let used = self.used.get(instance as usize);
        used.is_some_and(|names| names.contains(name))
    }

    /// What is kept of module `index`. None where it is all.
    pub(super) fn kept(&self, index: u32) -> Option<Kept<'a>> {
        if self.instances.get(index as usize) != Some(&1) {
            return None;
        }
        let core = self.items.all(Space::CoreInstance);
        let instance = core.iter().position(
            |item| matches!(item, Item::CoreInstance { module, .. } if *module == index),
        )?;
        let functions = self.reached.get(instance)?.clone();
        // One of which nothing is left is nobody's module.
        (!functions.is_empty()).then(|| Kept {
            functions,
            exports: self.used[instance].iter().copied().collect(),
        })
    }

    /// Whether a module that stays does without an import, or an instance is left out.
    pub(super) fn spare_an_import(&self) -> bool {
        let core = self.items.all(Space::CoreInstance);
        let instances = core.iter().zip(0..).zip(&self.reached);
        instances
            .filter_map(|((item, index), reached)| match item {
                Item::CoreInstance { module, .. } => Some((index, *module, reached)),
                _ => None,
            })
            .any(|(index, module, reached)| {
                if !self.is_live(At::new(Space::CoreInstance, index)) {
                    return true;
                }
                let module = self.items.modules.get(module as usize);
                let imported =
                    |index| module.is_some_and(|module| module.import_of(index).is_some());
                let mut functions = reached.iter().zip(0..);
                functions.any(|(&reached, index)| !reached && imported(index))
            })
    }

    fn need(&mut self, at: At) {
        let live = self.live.get_mut(at.space);
        let index = at.index as usize;
        if live.len() <= index {
            // Whether there is such an item shows when it is looked at.
            let all = self.items.all(at.space).len();
            if index >= all {
                self.open.push(Open::Item(at));
                return;
            }
            live.resize(all, false);
        }
        if !std::mem::replace(&mut live[index], true) {
            self.open.push(Open::Item(at));
        }
    }

    fn use_export(&mut self, instance: u32, name: &'a str) -> Option<()> {
        self.need(At::new(Space::CoreInstance, instance));
        if self.used.get_mut(instance as usize)?.insert(name) {
            self.open.push(Open::Export(instance, name));
        }
        Some(())
    }

    fn reach(&mut self, instance: u32, function: u32) -> Option<()> {
        let reached = self.reached.get_mut(instance as usize)?;
        if !std::mem::replace(reached.get_mut(function as usize)?, true) {
            self.open.push(Open::Function(instance, function));
        }
        Some(())
    }

    /// Looks at everything that is needed, until there is nothing new.
    fn settle(&mut self) -> Option<()> {
        while let Some(open) = self.open.pop() {
            match open {
                Open::Item(at) => self.item(at)?,
                Open::Export(instance, name) => self.export(instance, name)?,
                Open::Function(instance, function) => self.function(instance, function)?,
            }
        }
        Some(())
    }

    fn item(&mut self, at: At) -> Option<()> {
        let items = self.items;
        match items.get(at)? {
            Item::Import => {}
            Item::OfCore { instance, name } => self.use_export(*instance, name)?,
            Item::Of { instance } => self.need(At::new(Space::Instance, *instance)),
            Item::Canonical { needs } | Item::Instance { needs } => {
                for need in needs {
                    self.need(*need);
                }
            }
            Item::CoreInstance { module, args } => {
                self.instantiated(at.index, *module, args)?;
            }
            // By the names that are used of it.
            Item::CoreBag(_) => {}
            Item::Export { of, .. } => self.need(*of),
        }
        Some(())
    }

    /// An instance of a module is needed, whatever is used of it.
    fn instantiated(&mut self, instance: u32, module: u32, args: &[(&'a str, u32)]) -> Option<()> {
        let alone = self.instances.get(module as usize) == Some(&1);
        let module = self.items.modules.get(module as usize)?;
        // It may have been looked at before, when one of its exports was needed.
        self.reached
            .get_mut(instance as usize)?
            .resize(module.functions(), false);
        for function in &module.roots {
            self.reach(instance, *function)?;
        }
        if !alone {
            for function in 0..u32::try_from(module.functions()).ok()? {
                self.reach(instance, function)?;
            }
        }
        for import in &module.imports {
            if import.space != Space::CoreFunc {
                self.use_export(argument(args, import.module)?, import.name)?;
            }
        }
        Some(())
    }

    fn export(&mut self, instance: u32, name: &'a str) -> Option<()> {
        let items = self.items;
        match items.get(At::new(Space::CoreInstance, instance))? {
            Item::CoreInstance { module, .. } => {
                let module = items.modules.get(*module as usize)?;
                if let Some(function) = module.exported_function(name) {
                    self.item(At::new(Space::CoreInstance, instance))?;
                    self.reach(instance, function)?;
                }
            }
            Item::CoreBag(exports) => {
                let (_, at) = exports.iter().find(|(export, _)| *export == name)?;
                self.need(*at);
            }
            _ => return None,
        }
        Some(())
    }

    fn function(&mut self, instance: u32, function: u32) -> Option<()> {
        let items = self.items;
        let at = At::new(Space::CoreInstance, instance);
        let Item::CoreInstance { module, args } = items.get(at)? else {
            return None;
        };
        let module: &'i Module<'a> = items.modules.get(*module as usize)?;
        if let Some(import) = module.import_of(function) {
            return self.use_export(argument(args, import.module)?, import.name);
        }
        for other in module.refers_to(function)? {
            self.reach(instance, *other)?;
        }
        Some(())
    }

    /// Needs the instances of which something would be noticed that is not left out.
    /// Whether there are any.
    fn effects(&mut self) -> Option<bool> {
        let items = self.items;
        let mut more = false;
        for (item, index) in items.all(Space::CoreInstance).iter().zip(0..) {
            let at = At::new(Space::CoreInstance, index);
            let Item::CoreInstance { module, args } = item else {
                continue;
            };
            if self.is_live(at) {
                continue;
            }
            let noticed = match &items.modules.get(*module as usize)?.effect {
                Effect::None => false,
                Effect::Any => true,
                Effect::Tables(tables) => {
                    let mut owners = Vec::new();
                    for (module, name) in tables {
                        owners.push(self.owner(argument(args, module)?, name)?);
                    }
                    let live = |owner| self.is_live(At::new(Space::CoreInstance, owner));
                    owners.into_iter().any(live)
                }
            };
            if noticed {
                self.need(at);
                more = true;
            }
        }
        Some(more)
    }

    /// The instance of a module whose export `name` of `instance` leads to. One that
    /// exports what it imports stands for itself, and so its own needs keep the other.
    fn owner(&self, instance: u32, name: &str) -> Option<u32> {
        match self.items.get(At::new(Space::CoreInstance, instance))? {
            Item::CoreBag(exports) => {
                let (_, at) = exports.iter().find(|(export, _)| *export == name)?;
                match self.items.get(*at)? {
                    // Each refers to what came before it, or the component is not valid.
                    Item::OfCore {
                        instance: from,
                        name,
                    } if *from < instance => self.owner(*from, name),
                    _ => None,
                }
            }
            Item::CoreInstance { .. } => Some(instance),
            _ => None,
        }
    }
}

/// The instance that is given as `name`.
fn argument(args: &[(&str, u32)], name: &str) -> Option<u32> {
    let (_, instance) = args.iter().find(|(arg, _)| *arg == name)?;
    Some(*instance)
}
