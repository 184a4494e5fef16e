//! Tables in which one thing is wrong: every expectation of every case, one after
//! the other, turned into what does not hold. A runner that reads over one of them
//! is found out.

use serde_json::{Value, json};

/// A case with one wrong expectation, and the step at which it has to fail.
pub struct Wrong {
    pub name: String,
    pub step: String,
    pub case: Value,
}

/// All that can be wrong about the cases that hold behind the door.
pub fn all(table: &str, door: &str) -> Vec<Wrong> {
    let table: Value = serde_json::from_str(table).expect("a table");
    let cases = table["cases"].as_array().expect("cases");
    let mut wrong = Vec::new();
    for case in cases {
        if case["except"].get(door).is_some() {
            continue;
        }
        let name = case["name"].as_str().expect("a name");
        // Of what holds the table may not say that it does not.
        let mut excepted = case.clone();
        excepted["except"] = json!({ door: "for no reason" });
        wrong.push(Wrong {
            name: format!("{name}: an exception for nothing"),
            step: "except".to_owned(),
            case: excepted,
        });
        for path in paths(&case["do"], "/do", "") {
            let step = case.pointer(&path.pointer).expect("the step");
            for (what, changed) in changes(step) {
                let mut case = case.clone();
                *case.pointer_mut(&path.pointer).expect("the step") = changed;
                wrong.push(Wrong {
                    name: format!("{name}: step {}, {what}", path.step),
                    step: path.step.clone(),
                    case,
                });
            }
        }
    }
    for wrong in &mut wrong {
        wrong.case["name"] = json!(wrong.name);
    }
    wrong
}

/// A table of these.
pub fn table(wrong: &[Wrong]) -> String {
    let cases: Vec<_> = wrong.iter().map(|wrong| &wrong.case).collect();
    json!({ "cases": cases }).to_string()
}

struct Path {
    pointer: String,
    step: String,
}

/// Where the steps are, those within a repeat too.
fn paths(steps: &Value, pointer: &str, outer: &str) -> Vec<Path> {
    let mut paths = Vec::new();
    for (index, step) in steps.as_array().expect("steps").iter().enumerate() {
        let pointer = format!("{pointer}/{index}");
        let number = format!("{outer}{}", index + 1);
        if step.get("repeat").is_some() {
            let (inner, outer) = (format!("{pointer}/do"), format!("{number}."));
            paths.extend(self::paths(&step["do"], &inner, &outer));
        } else {
            paths.push(Path {
                pointer,
                step: number,
            });
        }
    }
    paths
}

/// The step with each of its expectations made wrong, and in words what was changed.
fn changes(step: &Value) -> Vec<(String, Value)> {
    let mut changes = Vec::new();
    let mut put = |key: &str, value: Option<Value>| {
        let mut changed = step.clone();
        let object = changed.as_object_mut().expect("a step");
        let words = match value {
            Some(value) => {
                let words = format!("{key}: {}", short(&value));
                object.insert(key.to_owned(), value);
                words
            }
            None => {
                object.remove(key);
                format!("no {key}")
            }
        };
        assert_ne!(&changed, step, "{words} changes nothing");
        changes.push((words, changed));
    };
    match step.get("fails").and_then(Value::as_str) {
        None => put("fails", Some(json!("freed"))),
        Some(fault) => {
            let other = if fault == "freed" {
                "block-size"
            } else {
                "freed"
            };
            put("fails", Some(json!(other)));
            // Without it `exhaust` is no step at all.
            if step.get("exhaust").is_none() {
                put("fails", None);
            }
        }
    }
    if let Some(at) = step.get("at").and_then(Value::as_str) {
        let other = at
            .split_once(' ')
            .map_or(format!("{at} + 8"), |(name, _)| name.to_owned());
        put("at", Some(json!(other)));
    }
    if let Some(is) = step.get("is") {
        let content = step.get("read").is_some();
        put(
            "is",
            Some(if content {
                other_content(is)
            } else {
                other_number(is)
            }),
        );
    }
    if step.get("at-least").is_some() {
        put("at-least", Some(json!(1_000_000_000)));
    }
    // What a read is told to take, and what a copy is found to have.
    let copies = step.get("strdup").is_some() || step.get("strndup").is_some();
    if let (true, Some(length)) = (copies, step.get("length")) {
        put("length", Some(other_number(length)));
    }
    if let Some(remaining) = step.get("remaining") {
        put("remaining", Some(other_number(remaining)));
    }
    changes
}

fn other_number(number: &Value) -> Value {
    match (number.as_u64(), number.as_str()) {
        (Some(number), _) => json!(number + 1),
        (None, Some("none")) => json!(1),
        (None, Some(sum)) => {
            let name = sum.split(' ').next().unwrap_or(sum);
            json!(format!("{name} + 1"))
        }
        (None, None) => panic!("{number} is no number"),
    }
}

fn other_content(content: &Value) -> Value {
    let mut other = content.clone();
    if let Some(text) = content.as_str() {
        return json!(format!("{text}x"));
    }
    for key in ["byte", "counting", "times"] {
        if let Some(number) = content[key].as_u64() {
            other[key] = json!(if number == 255 { 0 } else { number + 1 });
            return other;
        }
    }
    panic!("{content} is no content")
}

fn short(value: &Value) -> String {
    let words = value.to_string();
    match words.char_indices().nth(40) {
        Some((end, _)) => format!("{}...", &words[..end]),
        None => words,
    }
}
