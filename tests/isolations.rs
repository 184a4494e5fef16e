//! The sample handlers in an instance of their own for each request, in one that
//! a host rewinds after each, and in one whose host knows nothing of rewinding:
//! ten thousand requests, and the answers are equal to the byte.

mod support;

use std::path::Path;

use http::Response;
use lavandula_host::build::Target;
use lavandula_host::{Door, Host};
use support::instance::{Answer, Guest, Question, Running};
use support::{component_for, component_with, root};

const REQUESTS: u32 = 10_000;

/// Requests after which no instance takes more memory. The largest document is
/// among them.
const WARM_UP: u32 = 200;

/// One in so many requests is a whole document; the others are pieces of it.
const WHOLE: u32 = 1_000;

/// The first ones are whole documents as well, so that each door has had some
/// within the warm-up: how much memory one takes is a matter of the door.
const WHOLE_AT_FIRST: u32 = 40;

fn is_whole(number: u32) -> bool {
    number < WHOLE_AT_FIRST || number.is_multiple_of(WHOLE)
}

/// A small generator of numbers: the same requests in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    /// A text that no other request has.
    fn marker(&mut self) -> String {
        format!(
            "marker{:08x}{:08x}",
            self.below(1 << 32),
            self.below(1 << 32)
        )
    }
}

/// Makes the requests of one sample: the number, and chance.
type Generator = Box<dyn Fn(u32, &mut Random) -> Question>;

fn post(path: String, body: Vec<u8>) -> Question {
    Question {
        method: "POST",
        body,
        ..Question::get(path)
    }
}

fn document(folder: &str, file: &str) -> String {
    let path = root().join(folder).join("data").join(file);
    std::fs::read_to_string(path).expect("the sample's own document")
}

/// Documents of browser-compat-data: all of it, or a few of its features, one of
/// them under the marker's name; and some requests that are wrong.
fn json_requests() -> Generator {
    let whole = document("examples/json-api", "http-compat.json");
    let marked = document("examples/json-api", "marked.json");
    let parsed: serde_json::Value = serde_json::from_str(&whole).expect("JSON");
    let features: Vec<String> = parsed["http"]["headers"]
        .as_object()
        .expect("an object")
        .iter()
        .map(|(name, feature)| format!("\"{name}\":{feature}"))
        .collect();
    Box::new(move |number, random| {
        let marker = random.marker();
        let browser = *random.one_of(&["firefox", "chrome", "safari_ios", "ie", "deno"]);
        let since = random.below(150);
        let path = match random.below(4) {
            0 => format!("/filter?browser={browser}&user={marker}"),
            1 => format!("/filter?browser={browser}&deprecated=true"),
            _ => format!("/filter?browser={browser}&since={since}"),
        };
        if is_whole(number) {
            // The largest answer, always.
            let path = format!("/filter?browser=chrome&user={marker}");
            return post(path, whole.clone().into_bytes());
        }
        if number % WHOLE == WHOLE / 2 {
            return post(path, marked.replace("{{marker}}", &marker).into_bytes());
        }
        let mut some: Vec<_> = (0..random.below(4))
            .map(|_| random.one_of(&features).clone())
            .collect();
        some.push(format!("\"{marker}\":{{}}"));
        let body = format!("{{\"http\":{{\"headers\":{{{}}}}}}}", some.join(","));
        match random.below(20) {
            0 => Question::get("/"),
            1 => Question::get(format!("/{marker}")),
            2 => post(format!("/filter?browser={marker}"), body.into_bytes()),
            3 => {
                let half = body.len() / 2;
                post(path, body.into_bytes()[..half].to_vec())
            }
            _ => post(path, body.into_bytes()),
        }
    })
}

/// Markdown: the whole document, or a few of its paragraphs and a letter with the
/// marker in all places; and some requests that are wrong.
fn markdown_requests() -> Generator {
    let whole = document("examples/markdown", "tokio-changelog.md");
    let marked = document("examples/markdown", "marked.md");
    let sections: Vec<String> = whole.split("\n\n").map(str::to_owned).collect();
    Box::new(move |number, random| {
        let marker = random.marker();
        let path = *random.one_of(&["/render", "/render?full=true", "/render?full=false"]);
        if is_whole(number) {
            return post("/render?full=true".to_owned(), whole.clone().into_bytes());
        }
        let mut some: Vec<_> = (0..random.below(8))
            .map(|_| random.one_of(&sections).clone())
            .collect();
        some.push(marked.replace("{{marker}}", &marker));
        let mut body = some.join("\n\n").into_bytes();
        match random.below(20) {
            0 => Question::get("/"),
            1 => Question::get(format!("/{marker}")),
            2 => post(format!("/render?full={marker}"), body),
            3 => {
                let half = body.len() / 2;
                body[half] = 0xFF;
                post(path.to_owned(), body)
            }
            _ => post(path.to_owned(), body),
        }
        .header("x-lavandula-marker", marker)
    })
}

/// What a client sees of it. The length is the host's matter.
fn seen(mut answer: Answer) -> Answer {
    answer.headers.retain(|(name, _)| name != "content-length");
    answer.headers.sort();
    answer
}

fn seen_by_http(response: &Response<impl AsRef<[u8]>>) -> Answer {
    let headers = response.headers().iter();
    seen(Answer {
        status: response.status().as_u16(),
        headers: headers
            .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
            .collect(),
        body: response.body().as_ref().to_vec(),
    })
}

/// What is wrong with an instance that was used before, and from which request on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    /// Its answer is not that of a new one.
    Answer(u32),
    /// It has more memory than after the warm-up.
    Memory(u32),
    /// It has kept resources of the host.
    Resources(u32),
}

/// An instance, and the memory that it had after the warm-up.
struct Reused {
    instance: Running,
    warm: usize,
}

impl Reused {
    async fn new(guest: &Guest) -> Self {
        Self {
            instance: guest.start().await,
            warm: 0,
        }
    }

    async fn answers(
        &mut self,
        number: u32,
        question: &Question,
        expected: &Answer,
    ) -> Result<(), Wrong> {
        let answer = self.instance.ask(question).await;
        let memory = self.instance.memory();
        if number < WARM_UP {
            self.warm = memory;
        }
        if seen(answer) != *expected {
            return Err(Wrong::Answer(number));
        }
        if memory != self.warm {
            return Err(Wrong::Memory(number));
        }
        match self.instance.resources() {
            0 => Ok(()),
            _ => Err(Wrong::Resources(number)),
        }
    }
}

/// Gives every request to a new instance, to one that is rewound, and to one whose
/// host knows nothing of that. Returns what is wrong with the second and the third.
async fn compare(component: &Path, requests: u32, generator: &Generator) -> [Result<(), Wrong>; 2] {
    let fresh = [Door::Fast, Door::WasiHttp].map(|door| {
        let host = Host::builder().door(door).load(component);
        host.expect("a component with both doors")
    });
    let guest = Guest::load(component);
    let (mut rewound, mut unaware) = (Reused::new(&guest).await, Reused::new(&guest).await);
    rewound.instance.seal().await.expect("it is new");
    let figures = rewound.instance.usage().await;

    let mut random = Random(7);
    let mut found = [Ok(()); 2];
    for number in 0..requests {
        // The standard door takes longer, and what is behind it is the same.
        let host = &fresh[usize::from(random.below(8) == 0)];
        let question = generator(number, &mut random).by(host.door());
        let outcome = host.request(question.to_http()).await;
        assert!(outcome.failure.is_none(), "{:?}", outcome.failure);
        let expected = seen_by_http(&outcome.response);
        if found[0].is_ok() {
            found[0] = rewound.answers(number, &question, &expected).await;
            rewound.instance.rewind().await.expect("it was sealed");
        }
        if found[1].is_ok() {
            found[1] = unaware.answers(number, &question, &expected).await;
        }
    }
    if found[0].is_ok() {
        // The figures of the arena are those of a new one, but for how often.
        let after = rewound.instance.usage().await;
        assert_eq!(
            (after.committed, after.blocks, after.used, after.free),
            (figures.committed, figures.blocks, 0, figures.free)
        );
        assert_eq!(after.resets - figures.resets, u64::from(requests));
    }
    found
}

async fn all_answer_alike(folder: &str, target: Target, generator: Generator) {
    let component = component_for(folder, target);
    let found = compare(&component, REQUESTS, &generator).await;
    assert_eq!(found, [Ok(()), Ok(())], "rewound by the host, by itself");
}

#[tokio::test]
async fn json_api_without_a_system() {
    all_answer_alike("examples/json-api", Target::Unknown, json_requests()).await;
}

#[tokio::test]
async fn json_api_with_wasi() {
    all_answer_alike("examples/json-api", Target::Wasip2, json_requests()).await;
}

#[tokio::test]
async fn markdown_without_a_system() {
    all_answer_alike("examples/markdown", Target::Unknown, markdown_requests()).await;
}

#[tokio::test]
async fn markdown_with_wasi() {
    all_answer_alike("examples/markdown", Target::Wasip2, markdown_requests()).await;
}

/// Always the same request to the guest that keeps something of it.
fn hazard(path: &'static str) -> Generator {
    Box::new(move |_, random| Question::get(path).header("x-lavandula-marker", random.marker()))
}

#[tokio::test]
async fn an_instance_that_remembers_or_grows_is_found_out() {
    let guest = "tests/guests/hazards";
    let keeps_all = component_with(guest, Some(Target::Wasip2), &["platform-heap"]);
    let found = compare(&keeps_all, 3, &hazard("/static-vec")).await;
    assert_eq!(found, [Err(Wrong::Answer(1)); 2]);
    let found = compare(&keeps_all, 3, &hazard("/lines")).await;
    assert_eq!(found, [Err(Wrong::Resources(0)); 2]);

    let ours = component_with(guest, Some(Target::Wasip2), &[]);
    let found = compare(&ours, WARM_UP + 1, &hazard("/grow")).await;
    assert_eq!(found, [Err(Wrong::Memory(WARM_UP)); 2]);
}
