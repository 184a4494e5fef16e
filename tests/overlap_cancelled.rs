//! A caller that cancels its call of a handler: the invocation's arena goes back.
//!
//! A host cannot cancel a guest's task, but a component can that has called it. So one
//! stands before the handler here, and both are one component.

#[path = "support/overlap.rs"]
mod overlap;
mod support;

use std::path::Path;

use wasm_compose::graph::{Component, CompositionGraph, EncodeOptions};
use wasmparser::{Validator, WasmFeatures};

use overlap::{Guest, Origin, get, post};

const OVERLAP: &str = "tests/guests/overlap";
const FICKLE: &str = "tests/guests/fickle";

/// The one component before the other.
fn composed(before: &Path, behind: &Path) -> Vec<u8> {
    // One for both: only types of the same validator are compared.
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    let mut graph = CompositionGraph::new();
    let [before, behind] = [("before", before), ("behind", behind)].map(|(name, path)| {
        let component = Component::from_file(&mut validator, name, path);
        let component = graph.add_component(component.expect("a component"));
        let component = component.expect("it can be added");
        graph.instantiate(component).expect("it is there")
    });
    for name in [
        "wasi:http/handler@0.3.0",
        "lavandula:arena/invocation@0.1.0",
    ] {
        let component = |instance| {
            let (_, component) = graph.get_component_of_instance(instance).expect("there");
            component
        };
        let export = component(behind).export_by_name(name);
        let import = component(before).import_by_name(name);
        let ((export, ..), (import, _)) = (export.expect(name), import.expect(name));
        let connected = graph.connect(behind, Some(export), before, import);
        connected.expect("they fit");
    }
    let options = EncodeOptions {
        define_components: true,
        export: Some(before),
        validate: true,
    };
    graph.encode(options).expect("it can be encoded")
}

#[tokio::test]
async fn an_invocation_that_is_cancelled_gives_its_memory_back() {
    let before = support::component(FICKLE);
    for features in [&[][..], &["heap"]] {
        let behind = support::component_with(OVERLAP, None, features);
        let guest = Guest::of(&composed(&before, &behind));
        let origin = Origin::start().await;
        let mut instance = guest.start().await;
        let mut sizes = Vec::new();
        let ran = instance.run(async |open| {
            for round in 0..4 {
                let marker = format!("cancelled-{round}");
                let gate = origin.gate(&marker);
                let path = format!("/marked?marker={marker}&leave");
                let asked = open.ask(post(&path, &gate, marker.as_bytes()));
                let (answer, ()) = tokio::join!(asked, origin.waited_for(&marker));
                assert_eq!(answer.status, 499);

                let told = open.head(get("/usage", "")).await.expect("no trap");
                let figure = |name: &str| told.headers()[name].to_str().expect("text").to_owned();
                assert_eq!(
                    (figure("used"), figure("committed").as_str() == "0"),
                    ("0".to_owned(), features.is_empty())
                );
                assert_eq!(figure("resets"), (2 * round + 1).to_string());
                assert!(!open.finds(marker.as_bytes()), "{marker} is still there");

                // And the next one is answered.
                let marker = format!("next-{round}");
                origin.open(&marker);
                let path = format!("/marked?marker={marker}");
                let request = post(&path, &origin.gate(&marker), marker.as_bytes());
                let answer = open.ask(request).await;
                assert_eq!(answer.text(), format!("{marker} {marker} is open"));
                sizes.push(open.memory());
            }
            open.settle().await;
        });
        ran.await.expect("no trap");
        assert_eq!(instance.resources(), 0);
        assert_eq!(sizes[1], sizes[3], "{sizes:?}");
    }
}
