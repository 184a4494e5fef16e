//! Random code that is valid: what wasm-smith makes, and the same behind the fast
//! door, so that it is called.

use arbitrary::Unstructured;
use wasm_smith::{Component, Config, Module};

use super::binary::Binary;
use super::chance::Chance;
use super::guests::Evil;

/// What a core module has to export to be a handler's.
const SHAPE: &str = r#"(module
    (memory (export "memory") 2 64)
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
    (func (export "lavandula:arena/handler@0.1.0#handle")
        (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable)
    (func (export "cabi_post_lavandula:arena/handler@0.1.0#handle") (param i32)))"#;

/// Random bytes that wasm-smith takes its choices from. It ends early where there
/// are too few.
const BYTES: usize = 16 << 10;

/// Makes handlers of random code.
pub struct Smith {
    /// A handler whose core module exports what `SHAPE` says.
    around: Binary,
    shape: Vec<u8>,
}

impl Smith {
    pub fn new() -> Self {
        let around = Evil::default().component();
        Self {
            around: Binary::parse(&around).expect("a component"),
            shape: wat::parse_str(SHAPE).expect("a module"),
        }
    }

    /// A handler, whose code may do anything but import.
    pub fn handler(&self, chance: &mut Chance) -> Vec<u8> {
        let config = Config {
            exports: Some(self.shape.clone()),
            max_imports: 0,
            // Code that traps at once is found soon; so is such as never does.
            disallow_traps: chance.once_in(2),
            allow_start_export: chance.once_in(4),
            max_instructions: 20 + chance.below(400),
            max_tables: 1,
            max_memories: 1 + chance.below(2),
            max_table_elements: 10_000,
            max_memory32_bytes: 64 << 16,
            ..features()
        };
        let bytes = chance.bytes(BYTES);
        let module = Module::new(config, &mut Unstructured::new(&bytes));
        let module = module.expect("there are enough bytes").to_bytes();
        self.around.clone().with_first_module(&module).encode()
    }

    /// A component, which is no handler.
    pub fn component(&self, chance: &mut Chance) -> Vec<u8> {
        let bytes = chance.bytes(BYTES);
        let component = Component::new(features(), &mut Unstructured::new(&bytes));
        component.expect("there are enough bytes").to_bytes()
    }

    /// A core module, with all proposals that there are.
    pub fn module(&self, chance: &mut Chance) -> Vec<u8> {
        let bytes = chance.bytes(BYTES);
        let module = Module::new(Config::default(), &mut Unstructured::new(&bytes));
        module.expect("there are enough bytes").to_bytes()
    }
}

/// What the host's engine has turned on, so that it is not this that is refused.
fn features() -> Config {
    Config {
        gc_enabled: false,
        // With them come `externref`, for which a collector is needed too.
        reference_types_enabled: false,
        exceptions_enabled: false,
        threads_enabled: false,
        shared_everything_threads_enabled: false,
        custom_page_sizes_enabled: false,
        custom_descriptors_enabled: false,
        wide_arithmetic_enabled: false,
        memory64_enabled: false,
        ..Config::default()
    }
}
