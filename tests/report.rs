//! The reports of real checks as other programs get them: JSON that is as its schema
//! says, JUnit that CI systems read, and two builds side by side.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use lavandula_host::check::{
    Comparison, Kind, Plan, Report, SCHEMA, Thresholds, junit, junit_of_comparison,
};
use lavandula_host::{Door, Host, Isolation};
use roxmltree::{Document, Node};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use support::command::{Done, lavandula, run};
use support::{component, component_with, host};

const HOARDING: &str = "tests/guests/hoarding";
/// Enough for each shape to come often enough, and no more.
const REQUESTS: u32 = 40;

async fn check(host: &Host, plan: Plan) -> Report {
    let report = host.check(&plan.requests(REQUESTS)).await;
    report.expect("there is something to judge")
}

async fn hoarding() -> Report {
    check(&host(HOARDING), Plan::new()).await
}

// The schema.

/// Whether `value` is as `schema` says, and if not, where and why. It knows what our
/// schema uses. A keyword that it does not know is a fault of the schema, since nothing
/// would look at it.
fn conforms(value: &Value, schema: &Value, root: &Value, at: &str) -> Result<(), String> {
    let schema = schema.as_object().ok_or("a schema is an object")?;
    let wrong = |why: String| Err(format!("{at}: {why}"));
    for (keyword, rule) in schema {
        match keyword.as_str() {
            "$schema" | "$id" | "$defs" | "title" | "description" => {}
            "$ref" => {
                let pointer = rule.as_str().and_then(|text| text.strip_prefix('#'));
                let target = pointer.and_then(|pointer| root.pointer(pointer));
                conforms(value, target.ok_or("a $ref to nothing")?, root, at)?;
            }
            "type" => {
                let one = std::slice::from_ref(rule);
                let types = rule.as_array().map_or(one, Vec::as_slice);
                if !types.iter().any(|name| is_a(value, name)) {
                    return wrong(format!("{value} is no {rule}"));
                }
            }
            "const" if value != rule => return wrong(format!("{value} is not {rule}")),
            "enum" if !rule.as_array().ok_or("an enum is a list")?.contains(value) => {
                return wrong(format!("{value} is none of {rule}"));
            }
            "minimum" if value.as_u64() < rule.as_u64() && !value.is_null() => {
                return wrong(format!("{value} is less than {rule}"));
            }
            "maximum" if value.as_u64() > rule.as_u64() => {
                return wrong(format!("{value} is more than {rule}"));
            }
            "required" => {
                let object = value.as_object();
                for name in rule.as_array().ok_or("required is a list")? {
                    let name = name.as_str().ok_or("names are strings")?;
                    if object.is_some_and(|object| !object.contains_key(name)) {
                        return wrong(format!("no {name}"));
                    }
                }
            }
            "properties" => {
                for (name, value) in value.as_object().unwrap_or(&Map::new()) {
                    if let Some(rule) = rule.get(name) {
                        conforms(value, rule, root, &format!("{at}/{name}"))?;
                    }
                }
            }
            "additionalProperties" if rule == &json!(false) => {
                let known = schema.get("properties").and_then(Value::as_object);
                let known = known.ok_or("no properties beside additionalProperties")?;
                for name in value.as_object().unwrap_or(&Map::new()).keys() {
                    if !known.contains_key(name) {
                        return wrong(format!("{name} is not known"));
                    }
                }
            }
            "items" => {
                for (index, value) in value.as_array().unwrap_or(&vec![]).iter().enumerate() {
                    conforms(value, rule, root, &format!("{at}/{index}"))?;
                }
            }
            "const" | "enum" | "minimum" | "maximum" => {}
            unknown => return Err(format!("the schema uses {unknown}, which nothing checks")),
        }
    }
    Ok(())
}

fn is_a(value: &Value, name: &Value) -> bool {
    match name.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_u64() || value.is_i64(),
        Some("null") => value.is_null(),
        _ => panic!("{name} is no type that our schema has"),
    }
}

fn schema() -> Value {
    serde_json::from_str(SCHEMA).expect("the schema is JSON")
}

fn valid(report: &Value) -> Result<(), String> {
    let schema = schema();
    conforms(report, &schema, &schema, "")
}

#[tokio::test]
async fn every_report_is_as_the_schema_says() {
    let instance = Plan::new().isolation(Isolation::Instance);
    let mut reports = vec![
        check(&host("examples/json-api"), Plan::new()).await,
        check(&host("examples/json-api"), instance.seed(u64::MAX)).await,
        hoarding().await,
    ];
    for guest in ["leaky", "growing", "counting", "lying"] {
        let host = host(&format!("tests/guests/{guest}"));
        reports.push(check(&host, Plan::new()).await);
    }
    let by_another_door = Host::builder()
        .door(Door::WasiHttp)
        .load(component("examples/json-api"));
    let by_another_door = by_another_door.expect("it has that door");
    reports.push(check(&by_another_door, Plan::new()).await);

    let culprits = reports.iter().flat_map(|report| &report.evidence);
    let culprits = culprits.filter_map(|evidence| evidence.culprit.as_ref());
    assert!(culprits.clone().any(|one| one.place.is_some()), "no place");
    assert!(culprits.count() >= 5, "too few that are broken");
    for report in &reports {
        let text = serde_json::to_string(report).expect("JSON");
        let value = serde_json::from_str(&text).expect("JSON");
        valid(&value).unwrap_or_else(|error| panic!("{error} in {text}"));
        assert_eq!(*report, without_timeline(report, &text));
    }
}

/// The report that was written as `text`, beside the one that it was: JSON has no
/// timeline.
fn without_timeline(report: &Report, text: &str) -> Report {
    let mut read = Report::from_json(text).expect("a report");
    read.timeline = report.timeline.clone();
    read
}

/// Every way to spoil a value in one place: without a property, with one too many, with
/// something of another type, with a word that is none of those that there are.
fn spoiled(value: &Value) -> Vec<(String, Value)> {
    let mut spoiled = vec![];
    match value {
        Value::Object(object) => {
            for (name, inner) in object {
                let mut less = object.clone();
                less.remove(name);
                spoiled.push((format!("without {name}"), Value::Object(less)));
                for (what, new) in self::spoiled(inner) {
                    let mut other = object.clone();
                    other.insert(name.clone(), new);
                    spoiled.push((format!("{name}: {what}"), Value::Object(other)));
                }
            }
            let mut more = object.clone();
            more.insert("more".to_owned(), json!(1));
            spoiled.push(("with one more".to_owned(), Value::Object(more)));
            spoiled.push(("a number".to_owned(), json!(1)));
        }
        Value::Array(array) => {
            for (index, inner) in array.iter().enumerate() {
                for (what, new) in self::spoiled(inner) {
                    let mut other = array.clone();
                    other[index] = new;
                    spoiled.push((format!("{index}: {what}"), Value::Array(other)));
                }
            }
            spoiled.push(("an object".to_owned(), json!({})));
        }
        Value::Number(_) => {
            spoiled.push(("negative".to_owned(), json!(-1)));
            spoiled.push(("half".to_owned(), json!(0.5)));
            spoiled.push(("text".to_owned(), json!("1")));
        }
        Value::String(_) | Value::Bool(_) => spoiled.push(("a number".to_owned(), json!(1))),
        Value::Null => spoiled.push(("true".to_owned(), json!(true))),
    }
    spoiled
}

#[tokio::test]
async fn a_report_that_is_spoiled_anywhere_is_not_as_the_schema_says() {
    let report = serde_json::to_value(hoarding().await).expect("JSON");
    valid(&report).expect("as it is");
    let all = spoiled(&report);
    assert!(all.len() > 150, "{}", all.len());
    for (what, value) in all {
        assert!(valid(&value).is_err(), "{what} passes");
    }
    for word in ["/verdict", "/door", "/isolation", "/evidence/0/name"] {
        let mut other = report.clone();
        *other.pointer_mut(word).expect("a place in it") = json!("luck");
        assert!(valid(&other).is_err(), "{word} may be anything");
    }
    let index = |kind| move |one: &Value| one["name"] == kind;
    let evidence = report["evidence"].as_array().expect("a list");
    let content = evidence.iter().position(index("content")).expect("content");
    for (place, new) in [("region", json!("luck")), ("offset", json!(-1))] {
        let mut other = report.clone();
        other["evidence"][content]["culprit"]["place"][place] = new;
        assert!(valid(&other).is_err(), "{place} may be anything");
    }
}

#[test]
fn a_schema_with_a_rule_that_nothing_checks_is_a_fault() {
    let schema = json!({"type": "string", "pattern": "^a"});
    let error = conforms(&json!("b"), &schema, &schema, "").expect_err("not checked");
    assert!(error.contains("pattern"), "{error}");
}

/// Every subschema, wherever it is, so that no rule is overlooked because no report
/// gets there.
fn look_through(schema: &Value) {
    let object = schema.as_object().expect("a schema is an object");
    // Only the names of the rules are of interest here.
    let rules: Map<_, _> = object
        .keys()
        .map(|name| (name.clone(), json!({})))
        .collect();
    let known = [
        "$schema",
        "$id",
        "$defs",
        "title",
        "description",
        "$ref",
        "type",
        "const",
        "enum",
        "minimum",
        "maximum",
        "required",
        "properties",
        "additionalProperties",
        "items",
    ];
    for name in rules.keys() {
        assert!(known.contains(&name.as_str()), "nothing checks {name}");
    }
    for inner in ["properties", "$defs"] {
        let inner = object.get(inner).and_then(Value::as_object);
        inner
            .into_iter()
            .flatten()
            .for_each(|(_, schema)| look_through(schema));
    }
    object.get("items").into_iter().for_each(look_through);
}

#[test]
fn the_schema_knows_every_word_that_there_is_and_has_no_rule_that_nothing_checks() {
    let schema = schema();
    look_through(&schema);
    let words = |pointer: &str| {
        let words = schema.pointer(pointer).and_then(Value::as_array);
        let words = words.expect(pointer).iter().filter_map(Value::as_str);
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    let kinds = Kind::ALL.map(|kind| kind.name().to_owned());
    assert_eq!(words("/$defs/evidence/properties/name/enum"), kinds);
    let doors = [Door::Fast, Door::WasiHttp, Door::Service].map(|door| door.to_string());
    assert_eq!(words("/properties/door/enum"), doors);
}

#[test]
fn the_command_prints_the_schema_and_checks_nothing() {
    let done = run(lavandula().args(["check", "--json-schema", "no-such.wasm"]));
    assert_eq!(
        (done.code, done.stdout.as_str()),
        (Some(0), SCHEMA),
        "{}",
        done.stderr
    );
}

// JUnit.

/// What `junit-10.xsd` allows, by which Jenkins judges: for each element its
/// attributes, those that must be there first, and its children.
fn allowed_by_junit(name: &str) -> (&[&str], &[&str], &[&str]) {
    match name {
        "testsuites" => (
            &[],
            &["name", "time", "tests", "failures", "errors"],
            &["testsuite"],
        ),
        "testsuite" => (
            &["name", "tests", "failures", "errors"],
            &["skipped", "time", "timestamp", "hostname", "id", "package"],
            &["properties", "testcase", "system-out", "system-err"],
        ),
        "properties" => (&[], &[], &["property"]),
        "property" => (&["name", "value"], &[], &[]),
        "testcase" => (
            &["name"],
            &["classname", "time"],
            &["skipped", "error", "failure", "system-out", "system-err"],
        ),
        "failure" | "error" | "skipped" => (&[], &["type", "message"], &[]),
        "system-out" | "system-err" => (&[], &[], &[]),
        other => panic!("JUnit has no {other}"),
    }
}

#[track_caller]
fn is_junit(node: Node<'_, '_>) {
    let name = node.tag_name().name();
    let (required, optional, children) = allowed_by_junit(name);
    for attribute in required {
        assert!(node.has_attribute(*attribute), "{name} without {attribute}");
    }
    for attribute in node.attributes() {
        let attribute = attribute.name();
        let known = required.contains(&attribute) || optional.contains(&attribute);
        assert!(known, "{name} with {attribute}");
    }
    for child in node.children().filter(Node::is_element) {
        let child_name = child.tag_name().name();
        assert!(children.contains(&child_name), "{child_name} in {name}");
        is_junit(child);
    }
    if name == "testsuite" || name == "testsuites" {
        let count = |what: &str| {
            node.descendants()
                .filter(|one| one.has_tag_name(what))
                .count()
        };
        let told = |what: &str| {
            node.attribute(what)
                .map(|text| text.parse().expect("a number"))
        };
        assert_eq!(told("tests"), Some(count("testcase")));
        assert_eq!(told("failures"), Some(count("failure")));
        assert_eq!(
            told("skipped").unwrap_or_else(|| count("skipped")),
            count("skipped")
        );
    }
    if name == "testsuite" {
        let cases = node.children().filter(|one| one.has_tag_name("testcase"));
        let names: Vec<_> = cases
            .map(|case| (case.attribute("classname"), case.attribute("name")))
            .collect();
        let distinct: BTreeSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len(), "cases with the same name");
    }
}

/// The cases that failed, with what is said of them.
fn failed<'a>(document: &'a Document<'_>) -> Vec<(&'a str, &'a str, &'a str)> {
    let failures = document
        .descendants()
        .filter(|node| node.has_tag_name("failure"));
    failures
        .map(|failure| {
            let case = failure.parent_element().expect("in a case");
            (
                case.attribute("name").unwrap_or_default(),
                failure.attribute("message").unwrap_or_default(),
                failure.text().unwrap_or_default(),
            )
        })
        .collect()
}

#[tokio::test]
async fn what_is_broken_is_a_failed_test_with_where_to_look() {
    let mut report = hoarding().await;
    report.component = Some("target/lavandula/hoarding.wasm".to_owned());
    let xml = junit(&report);
    let document = Document::parse(&xml).expect("well-formed");
    is_junit(document.root_element());
    let cases = document
        .descendants()
        .filter(|node| node.has_tag_name("testcase"));
    let names: Vec<_> = cases
        .clone()
        .filter_map(|case| case.attribute("name"))
        .collect();
    let kinds = report.evidence.iter().map(|one| one.kind.name());
    assert!(kinds.eq(names), "{xml}");
    let class = Some("lavandula.check.hoarding");
    assert!(
        cases
            .clone()
            .all(|case| case.attribute("classname") == class),
        "{xml}"
    );

    let content = report.evidence(Kind::Content).expect("content");
    let failed = failed(&document);
    let [(name, message, text)] = failed.as_slice() else {
        panic!("one of them is broken: {xml}");
    };
    assert_eq!((*name, *message), ("content", content.detail.as_str()));
    for expected in [
        "expected: ",
        "where: 0x",
        "LAST_SEEN",
        "written by: request 1",
    ] {
        assert!(text.contains(expected), "no `{expected}` in: {text}");
    }
    let property = |name: &str| {
        let mut nodes = document.descendants();
        nodes.find_map(|node| {
            let named = node.has_tag_name("property") && node.attribute("name") == Some(name);
            named.then(|| node.attribute("value")).flatten()
        })
    };
    assert_eq!(property("seed"), Some("1"));
    assert_eq!(property("requests"), Some("40"));
    assert_eq!(property("isolation"), Some("rewind"));
    let peak = report.figures.memory_peak.to_string();
    assert_eq!(property("figures.memory-peak"), Some(peak.as_str()));
}

#[tokio::test]
async fn junit_is_well_formed_whatever_a_component_is_called_and_says() {
    let mut report = hoarding().await;
    let nasty = "<a b=\"c\" d='e'> & ]]> &amp; \r\n\t end, größer \u{1f600}";
    let gone = "\u{0}\u{1}\u{8}\u{b}\u{1b}\u{fffe}\u{ffff}";
    report.component = Some(format!("{nasty}{gone}.wasm"));
    for evidence in &mut report.evidence {
        evidence.detail = format!("{gone}{nasty}");
        if let Some(culprit) = &mut evidence.culprit {
            culprit.replay = Some(format!("lavandula check '{nasty}'"));
        }
    }
    let xml = junit(&report);
    let document = Document::parse(&xml).unwrap_or_else(|error| panic!("{error}: {xml}"));
    is_junit(document.root_element());
    let failed = failed(&document);
    let (_, message, text) = failed.first().expect("one is broken");
    assert_eq!(*message, nasty);
    assert!(text.starts_with(nasty), "{text:?}");
    assert!(
        text.contains(&format!("lavandula check '{nasty}'")),
        "{text:?}"
    );
    let output = document
        .descendants()
        .find(|node| node.has_tag_name("system-out"));
    assert_eq!(output.and_then(|node| node.text()), Some(nasty));
}

#[tokio::test]
async fn a_comparison_as_junit_has_a_test_for_each_figure_and_each_kind() {
    let candidate = hoarding().await;
    let healed = component_with(HOARDING, None, &["invocation-heap"]);
    let healed = Host::builder().load(healed).expect("it loads");
    let baseline = check(&healed, Plan::new()).await;
    let comparison = Comparison::of(&baseline, &candidate, &Thresholds::default());
    let comparison = comparison.expect("they are of the same check");
    let xml = junit_of_comparison(&comparison);
    let document = Document::parse(&xml).expect("well-formed");
    is_junit(document.root_element());
    let suites: Vec<_> = document
        .root_element()
        .children()
        .filter(Node::is_element)
        .collect();
    let [check, compared] = suites.as_slice() else {
        panic!("two suites: {xml}");
    };
    let evidence = comparison.evidence.len();
    let tests = |suite: &Node<'_, '_>| suite.attribute("tests").map(str::to_owned);
    assert_eq!(tests(check), Some(evidence.to_string()));
    let both = evidence + comparison.figures.len();
    assert_eq!(tests(compared), Some(both.to_string()));
    let content = failed(&document);
    let content = content.iter().filter(|(name, ..)| *name == "content");
    let messages: Vec<_> = content.map(|(_, message, _)| *message).collect();
    assert_eq!(messages.len(), 2, "{xml}");
    assert_eq!(messages[1], "it held before and is broken now");
}

// The command.

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// `lavandula check` in this folder.
fn checked(here: &Path, arguments: &[&str]) -> Done {
    let mut command = lavandula();
    command.args(["check", "--requests", "40"]).args(arguments);
    // What the terminal of whoever runs the tests is like is not the matter.
    for name in ["COLUMNS", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
        command.env_remove(name);
    }
    run(command.current_dir(here))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path that is text")
}

#[track_caller]
fn refused(done: &Done, expected: &[&str]) {
    assert_eq!((done.code, done.stdout.as_str()), (Some(2), ""), "{done:?}");
    for expected in expected {
        assert!(
            done.stderr.contains(expected),
            "no `{expected}` in: {}",
            done.stderr
        );
    }
}

#[test]
fn a_build_is_as_good_as_itself_and_a_worse_one_fails() {
    let here = folder();
    let (bad, good) = (
        component(HOARDING),
        component_with(HOARDING, None, &["invocation-heap"]),
    );
    let (bad, good) = (text(&bad), text(&good));

    let same = checked(here.path(), &[good, good]);
    assert_eq!(same.code, Some(0), "{same:?}");
    assert!(same.stdout.ends_with("compared: same\n"), "{}", same.stdout);

    // The two differ in their figures as well, and that is not the matter here.
    let lenient = ["--allow", "all=1000000%"];
    let [allow, all] = lenient;
    let worse = checked(here.path(), &[good, bad, allow, all]);
    assert_eq!(worse.code, Some(1), "{worse:?}");
    let last = worse.stdout.lines().last().unwrap_or_default();
    assert!(last.starts_with("compared: worse, in "), "{}", worse.stdout);
    assert!(last.contains("content"), "{}", worse.stdout);

    // It is broken as it was, which is not worse, and does not pass.
    let as_bad = checked(here.path(), &[bad, bad]);
    assert_eq!(as_bad.code, Some(1), "{as_bad:?}");
    assert!(
        as_bad.stdout.contains("compared: same; it is broken"),
        "{}",
        as_bad.stdout
    );
}

#[test]
fn a_stored_report_is_a_baseline() {
    let here = folder();
    let good = component_with(HOARDING, None, &["invocation-heap"]);
    let bad = component(HOARDING);
    let stored = checked(here.path(), &[text(&good), "--json"]);
    assert_eq!(stored.code, Some(0), "{stored:?}");
    fs::write(here.path().join("baseline.json"), &stored.stdout).expect("written");

    let baseline = ["--baseline", "baseline.json"];
    let same = checked(here.path(), &[&[text(&good)], &baseline[..]].concat());
    assert_eq!(same.code, Some(0), "{same:?}");
    let worse = [text(&bad), "--json", "--junit", "compared.xml"];
    let worse = checked(here.path(), &[&worse, &baseline[..]].concat());
    assert_eq!(worse.code, Some(1), "{worse:?}");
    let comparison: Value = serde_json::from_str(&worse.stdout).expect("JSON");
    assert_eq!(comparison["trend"], "worse");
    for side in ["baseline", "candidate"] {
        valid(&comparison[side]).unwrap_or_else(|error| panic!("{side}: {error}"));
    }
    let xml = fs::read_to_string(here.path().join("compared.xml")).expect("written");
    is_junit(Document::parse(&xml).expect("well-formed").root_element());

    // What was printed is no baseline, and says so.
    fs::write(here.path().join("baseline.json"), &worse.stdout).expect("written");
    let done = checked(here.path(), &[&[text(&good)], &baseline[..]].concat());
    refused(&done, &["baseline.json is no baseline", "store one report"]);
}

#[test]
fn a_baseline_that_does_not_fit_is_refused_before_anything_is_checked() {
    let here = folder();
    let report = |seed: u64, format: u64| {
        json!({"format": format, "lavandula": "0.1.0", "component": null, "verdict": "holds",
               "requests": 40, "seed": seed, "door": "fast", "isolation": "rewind", "memory": 0,
               "evidence": [], "figures": {}})
        .to_string()
    };
    let cases = [
        (report(7, 1), &["the seed was 7 and is 1", "--seed 7"][..]),
        (report(1, 9), &["has format 9", "make it again"]),
        ("{".to_owned(), &["not JSON", "lavandula check --json"]),
    ];
    let file = here.path().join("baseline.json");
    for (text, expected) in cases {
        fs::write(&file, text).expect("written");
        // There is no such component, which nobody got to.
        let done = checked(
            here.path(),
            &["no-such.wasm", "--baseline", "baseline.json"],
        );
        refused(&done, expected);
        assert!(!done.stderr.contains("no-such.wasm"), "{}", done.stderr);
    }
    let done = checked(here.path(), &["no-such.wasm", "--baseline", "none.json"]);
    refused(
        &done,
        &["cannot read the baseline none.json", "make one with"],
    );
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let here = folder();
    let cases: [(&[&str], &[&str]); 6] = [
        (
            &["a.wasm", "--allow", "all=1%"],
            &["nothing to compare with", "--baseline"],
        ),
        (
            &["a.wasm", "b.wasm", "--allow", "memory=1%"],
            &["`memory` is no figure", "memory-peak"],
        ),
        (
            &["a.wasm", "b.wasm", "--allow", "all=x"],
            &["`x` is no amount", "all=1%"],
        ),
        (
            &["a.wasm", "b.wasm", "--allow", "all=1%", "--allow", "all=2%"],
            &["twice", "give one --allow"],
        ),
        (
            &["a.wasm", "b.wasm", "--baseline", "c.json"],
            &["cannot be used with"],
        ),
        (
            &["a.wasm", "b.wasm", "c.wasm"],
            &["unexpected argument 'c.wasm'"],
        ),
    ];
    for (arguments, expected) in cases {
        refused(&checked(here.path(), arguments), expected);
    }
}

#[test]
fn a_junit_file_that_cannot_be_written_is_an_error() {
    let here = folder();
    let good = component(HOARDING);
    let done = checked(here.path(), &[text(&good), "--junit", "no/such/folder.xml"]);
    refused(
        &done,
        &["cannot write no/such/folder.xml", "a folder that exists"],
    );
}

#[test]
fn colours_and_width_are_as_the_environment_and_the_options_say() {
    let here = folder();
    let guest = component(HOARDING);
    let shown = |arguments: &[&str], environment: &[(&str, &str)]| {
        let mut command = lavandula();
        command
            .arg("check")
            .arg(&guest)
            .args(["-n", "40"])
            .args(arguments);
        for name in ["COLUMNS", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
            command.env_remove(name);
        }
        command
            .envs(environment.iter().copied())
            .current_dir(here.path());
        run(&mut command).stdout
    };
    let red = "\u{1b}[1m\u{1b}[31mBROKEN\u{1b}[0m";
    // Not a terminal.
    let plain = shown(&[], &[]);
    assert!(!plain.contains('\u{1b}'), "{plain:?}");
    // A command is to be copied, so it stays on its line.
    let command = |line: &&str| line.starts_with("    lavandula check ");
    assert_eq!(plain.lines().filter(command).count(), 1, "{plain}");
    let mut others = plain.lines().filter(|line| !command(line));
    assert!(others.all(|line| line.chars().count() <= 100), "{plain}");
    assert!(shown(&[], &[("CLICOLOR_FORCE", "1")]).contains(red));
    assert!(shown(&["--color", "always"], &[("NO_COLOR", "1")]).contains(red));
    assert!(!shown(&["--color", "never"], &[("CLICOLOR_FORCE", "1")]).contains('\u{1b}'));
    let narrow = shown(&[], &[("COLUMNS", "64")]);
    let wrapped = |line: &&str| !line.starts_with("verdict") && !command(line);
    let longest = narrow
        .lines()
        .filter(wrapped)
        .map(|line| line.chars().count())
        .max();
    assert!(
        longest.is_some_and(|longest| (50..=64).contains(&longest)),
        "{narrow}"
    );
}
