//! Which interface a runtime lacks that a component needs, out of what it says when it
//! does not start, and what to do then.

/// The interface that is missing, and what to do. None where that is not what is wrong.
pub fn advice(imports: &[String], said: &str) -> Option<String> {
    // As far as the version: a runtime may have another one of it.
    let interface = |import: &str| import.split('@').next().unwrap_or(import).to_owned();
    // Longer ones first, since one name may begin another.
    let mut imports: Vec<&String> = imports.iter().collect();
    imports.sort_by_key(|import| std::cmp::Reverse(import.len()));
    let missing = imports
        .iter()
        .find(|import| said.contains(import.as_str()))
        .or_else(|| {
            imports
                .iter()
                .find(|import| said.contains(&interface(import)))
        })?;
    Some(format!("it lacks `{missing}`: {}", what_to_do(missing)))
}

fn what_to_do(import: &str) -> &'static str {
    let (interface, version) = import.split_once('@').unwrap_or((import, ""));
    match interface.split('/').next().unwrap_or_default() {
        "wasi:http" if version.starts_with("0.3") => {
            "take a runtime of WASI 0.3, or build for 0.2, with `export!(handler)`"
        }
        "wasi:http" | "wasi:io" => "take a newer runtime: no handler does without it",
        _ => {
            "let the runtime grant it (`wasmtime serve -S cli`), or build for \
             wasm32-unknown-unknown, which imports only what the handler itself uses; `lavandula \
             inspect` lists the imports"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(said: &str) -> Option<String> {
        let imports = [
            "wasi:io/streams@0.2.0",
            "wasi:cli/environment@0.2.3",
            "wasi:http/types@0.3.0",
        ];
        advice(&imports.map(str::to_owned), said)
    }

    #[test]
    fn the_interface_is_named_with_what_to_do() {
        let said = "Error: component imports instance `wasi:cli/environment@0.2.3`, but a matching \
                    implementation was not found in the linker";
        let told = of(said).unwrap();
        assert!(told.contains("`wasi:cli/environment@0.2.3`"), "{told}");
        assert!(
            told.contains("-S cli") && told.contains("inspect"),
            "{told}"
        );
        let told = of("no such interface: wasi:http/types").unwrap();
        assert!(told.contains("WASI 0.3"), "{told}");
    }

    #[test]
    fn another_reason_is_none_of_these() {
        assert_eq!(of("Error: address already in use"), None);
    }
}
