//! What all memories of a component have together when an instance of it begins.
//!
//! wasmtime tells of the largest alone. Here the instances that a component makes are
//! counted, as far as it can be told of what they are made: a module or a component
//! that comes from an import or out of an instance counts as nothing, so that what
//! comes out is never more than what there will be.

use wasmparser::{
    BinaryReaderError, ComponentAlias, ComponentExternalKind, ComponentInstance,
    ComponentOuterAliasKind, ComponentTypeRef, Encoding, Instance, MemoryType, Parser, Payload,
};

/// Bytes of a wasm page where a memory does not say otherwise, as a power of two.
const PAGE_LOG2: u32 = 16;

/// Bytes of linear memory that an instance of `component` begins with at least.
/// Nothing where it cannot be parsed: it cannot be loaded either.
pub(crate) fn initial(component: &[u8]) -> u64 {
    Counting::default().of(component).unwrap_or(0)
}

/// The components and modules that are being read, the outermost first.
#[derive(Default)]
struct Counting {
    scopes: Vec<Scope>,
}

/// A component or a module, as far as it was read.
struct Scope {
    encoding: Encoding,
    /// What one instance of it has.
    bytes: u64,
    /// What an instance of each module that it knows has, by the module's index.
    modules: Vec<u64>,
    /// The same of components.
    components: Vec<u64>,
}

impl Counting {
    fn of(mut self, component: &[u8]) -> Result<u64, BinaryReaderError> {
        let mut last = 0;
        for payload in Parser::new(0).parse_all(component) {
            match payload? {
                Payload::Version { encoding, .. } => self.scopes.push(Scope {
                    encoding,
                    bytes: 0,
                    modules: Vec::new(),
                    components: Vec::new(),
                }),
                Payload::End(_) => last = self.end(),
                Payload::MemorySection(memories) => {
                    for memory in memories {
                        self.add(bytes(&memory?));
                    }
                }
                Payload::InstanceSection(instances) => {
                    for instance in instances {
                        if let Instance::Instantiate { module_index, .. } = instance? {
                            self.add(self.module(0, module_index));
                        }
                    }
                }
                Payload::ComponentInstanceSection(instances) => {
                    for instance in instances {
                        if let ComponentInstance::Instantiate {
                            component_index, ..
                        } = instance?
                        {
                            self.add(self.component(0, component_index));
                        }
                    }
                }
                Payload::ComponentAliasSection(aliases) => {
                    for alias in aliases {
                        self.alias(&alias?);
                    }
                }
                Payload::ComponentImportSection(imports) => {
                    for import in imports {
                        match import?.ty {
                            ComponentTypeRef::Module(_) => self.know_module(0),
                            ComponentTypeRef::Component(_) => self.know_component(0),
                            _ => {}
                        }
                    }
                }
                // What is exported has one more index from there on.
                Payload::ComponentExportSection(exports) => {
                    for export in exports {
                        let export = export?;
                        match export.kind {
                            ComponentExternalKind::Module => {
                                self.know_module(self.module(0, export.index));
                            }
                            ComponentExternalKind::Component => {
                                self.know_component(self.component(0, export.index));
                            }
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(last)
    }

    /// The scope that ends is one more module or component to the one around it.
    /// Returns what one instance of it has.
    fn end(&mut self) -> u64 {
        let Some(scope) = self.scopes.pop() else {
            return 0;
        };
        match scope.encoding {
            Encoding::Module => self.know_module(scope.bytes),
            Encoding::Component => self.know_component(scope.bytes),
        }
        scope.bytes
    }

    fn alias(&mut self, alias: &ComponentAlias<'_>) {
        match *alias {
            ComponentAlias::Outer { kind, count, index } => match kind {
                ComponentOuterAliasKind::CoreModule => self.know_module(self.module(count, index)),
                ComponentOuterAliasKind::Component => {
                    self.know_component(self.component(count, index));
                }
                _ => {}
            },
            ComponentAlias::InstanceExport { kind, .. } => match kind {
                ComponentExternalKind::Module => self.know_module(0),
                ComponentExternalKind::Component => self.know_component(0),
                _ => {}
            },
            ComponentAlias::CoreInstanceExport { .. } => {}
        }
    }

    /// What an instance of module `index` has, of the scope `outward` from this one.
    fn module(&self, outward: u32, index: u32) -> u64 {
        let scope = self.scopes.iter().rev().nth(outward as usize);
        let bytes = scope.and_then(|scope| scope.modules.get(index as usize));
        bytes.copied().unwrap_or(0)
    }

    fn component(&self, outward: u32, index: u32) -> u64 {
        let scope = self.scopes.iter().rev().nth(outward as usize);
        let bytes = scope.and_then(|scope| scope.components.get(index as usize));
        bytes.copied().unwrap_or(0)
    }

    fn know_module(&mut self, bytes: u64) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.modules.push(bytes);
        }
    }

    fn know_component(&mut self, bytes: u64) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.components.push(bytes);
        }
    }

    fn add(&mut self, bytes: u64) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.bytes = scope.bytes.saturating_add(bytes);
        }
    }
}

/// What a memory begins with. One that is shared is nobody's own.
fn bytes(memory: &MemoryType) -> u64 {
    if memory.shared {
        return 0;
    }
    let page = memory.page_size_log2.unwrap_or(PAGE_LOG2);
    let page = 1_u64.checked_shl(page).unwrap_or(u64::MAX);
    memory.initial.saturating_mul(page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    const PAGE: u64 = 1 << PAGE_LOG2;

    /// Pages that a component of these items begins with.
    fn pages(items: &str) -> u64 {
        let bytes = initial(&testing::component(&format!("(component {items})")));
        assert_eq!(bytes % PAGE, 0, "{items}");
        bytes / PAGE
    }

    const TWO: &str = "(core module $two (memory 1) (memory 1))";

    #[test]
    fn the_memories_of_each_instance_count_and_those_of_mere_modules_do_not() {
        assert_eq!(pages(TWO), 0);
        let once = "(core instance (instantiate $two))";
        assert_eq!(pages(&format!("{TWO}{once}")), 2);
        assert_eq!(pages(&format!("{TWO}{once}{once}")), 4);
    }

    #[test]
    fn a_memory_that_is_given_counts_once() {
        let given = r#"
            (core module $owner (memory (export "m") 3))
            (core module $user (import "o" "m" (memory 1)))
            (core instance $o (instantiate $owner))
            (core instance (instantiate $user (with "o" (instance $o))))"#;
        assert_eq!(pages(given), 3);
    }

    #[test]
    fn components_within_count_as_often_as_they_are_made() {
        let inner = format!("(component $c {TWO} (core instance (instantiate $two)))");
        let once = "(instance (instantiate $c))";
        assert_eq!(pages(&inner), 0);
        assert_eq!(pages(&format!("{inner}{once}{once}{once}")), 6);
        // Its modules, seen from within, and by another name.
        let outer =
            format!("{TWO} (component $c (core instance (instantiate $two))) {once} {once}");
        assert_eq!(pages(&outer), 4);
        let exported = format!(
            r#"{TWO} (core module $none) (export $e "two" (core module $two))
            (core instance (instantiate $e))"#
        );
        assert_eq!(pages(&exported), 2);
    }

    #[test]
    fn what_is_not_known_counts_as_nothing() {
        let import = r#"(import "m" (core module $m (export "x" (memory 9))))
            (core instance (instantiate $m))"#;
        assert_eq!(pages(import), 0);
        let taken = format!(
            r#"(component $c {TWO} (export "two" (core module $two)))
            (instance $i (instantiate $c)) (alias export $i "two" (core module $m))
            {TWO} (core instance (instantiate $m)) (core instance (instantiate $two))"#
        );
        assert_eq!(pages(&taken), 2);
        assert_eq!(initial(b"nonsense"), 0);
        assert_eq!(initial(b"\0asm\x0d\0\x01\0\x05"), 0);
    }

    #[test]
    fn memories_without_measure_are_not_added_up_to_little() {
        let huge = "(core module $m (memory i64 0xffffffffffff) (memory i64 0xffffffffffff))
            (core instance (instantiate $m)) (core instance (instantiate $m))";
        let component = testing::component(&format!("(component {huge})"));
        assert_eq!(initial(&component), u64::MAX);
    }
}
