//! A caller that cancels its call of a handler: the invocation's arena goes back.
//!
//! A host cannot cancel a guest's task, but a component can that has called it. So one
//! stands before the handler here, and both are one component.

#[path = "support/overlap.rs"]
mod overlap;
mod support;

use std::path::Path;

use http::Request;
use wasm_compose::graph::{Component, CompositionGraph, EncodeOptions};
use wasmparser::{Validator, WasmFeatures};

use overlap::{Guest, Open, Origin, get, open_ended, post};

const OVERLAP: &str = "tests/guests/overlap";

/// Its arenas are of its own making, so that it can get it wrong.
const TANGLED: &str = "tests/guests/tangled";
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

/// What there is of invocations, as the handler tells it to whoever stands before it.
#[derive(Debug)]
struct Left {
    used: u64,
    committed: u64,
    ended: u64,
    /// Whether the marker is anywhere in memory.
    marker: bool,
}

async fn left(open: Open<'_>, marker: &str) -> Left {
    let told = open.head(get("/usage", "")).await.expect("no trap");
    let figure = |name: &str| {
        let text = told.headers()[name].to_str().expect("text");
        text.parse().expect("a number")
    };
    Left {
        used: figure("used"),
        committed: figure("committed"),
        ended: figure("resets"),
        marker: open.finds(marker.as_bytes()),
    }
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
                // It has the marker in nothing but the arena.
                let path = format!("/quiet?marker={marker}&leave");
                let asked = open.ask(post(&path, &gate, marker.as_bytes()));
                let (answer, ()) = tokio::join!(asked, origin.waited_for(&marker));
                assert_eq!(answer.status, 499);

                let left = left(open, &marker).await;
                assert!(!left.marker && left.used == 0, "{left:?}");
                assert_eq!(left.committed == 0, features.is_empty(), "{left:?}");
                assert_eq!(left.ended, 2 * round + 1);

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

/// Without this, that nothing is left could be because nobody looks.
#[tokio::test]
async fn an_invocation_that_does_not_go_when_it_is_cancelled_is_noticed() {
    let before = support::component(FICKLE);
    for (features, stays) in [(&[][..], false), (&["deserted"], true)] {
        let behind = support::component_with(TANGLED, None, features);
        let mut instance = Guest::of(&composed(&before, &behind)).start().await;
        let ran = instance.run(async |open| {
            // It waits for the end of this body.
            let (sender, body) = open_ended();
            let request = Request::post("http://guest.test/echo?marker=deserted-one&leave");
            let answer = open.ask(request.body(body).expect("a request")).await;
            assert_eq!(answer.status, 499);
            drop(sender);
            let left = left(open, "deserted-one").await;
            assert_eq!((left.used > 0, left.marker), (stays, stays), "{left:?}");
            assert_eq!(left.ended, u64::from(!stays));
        });
        ran.await.expect("no trap");
    }
}
