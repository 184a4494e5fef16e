//! The binary format as a tree of sections: what is inside may be changed, and
//! the lengths around it are right all the same. Or wrong, where that is wanted.

/// A core module or a component.
#[derive(Clone, Debug)]
pub struct Binary {
    /// Magic, version and layer.
    head: [u8; 8],
    pub sections: Vec<Section>,
}

#[derive(Clone, Debug)]
pub struct Section {
    pub id: u8,
    pub body: Body,
    /// The length that it claims to have, where that is not the true one.
    pub claimed: Option<u64>,
}

#[derive(Clone, Debug)]
pub enum Body {
    Plain(Vec<u8>),
    Nested(Binary),
}

/// Sections of a component that hold another binary.
const CORE_MODULE: u8 = 1;
const COMPONENT: u8 = 4;

impl Binary {
    /// None where the bytes are not made of sections.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (head, mut rest) = bytes.split_first_chunk::<8>()?;
        if !head.starts_with(b"\0asm") {
            return None;
        }
        let is_component = head[6] == 1;
        let mut sections = Vec::new();
        while let Some((&id, behind)) = rest.split_first() {
            let (len, width) = unleb(behind)?;
            let end = width.checked_add(usize::try_from(len).ok()?)?;
            let body = behind.get(width..end)?;
            let nested = is_component && matches!(id, CORE_MODULE | COMPONENT);
            let body = match nested.then(|| Self::parse(body)).flatten() {
                Some(binary) => Body::Nested(binary),
                None => Body::Plain(body.to_vec()),
            };
            sections.push(Section::new(id, body));
            rest = &behind[end..];
        }
        Some(Self {
            head: *head,
            sections,
        })
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.head.to_vec();
        for section in &self.sections {
            let body = match &section.body {
                Body::Plain(body) => body.clone(),
                Body::Nested(binary) => binary.encode(),
            };
            bytes.push(section.id);
            bytes.extend(leb(section.claimed.unwrap_or(body.len() as u64)));
            bytes.extend(body);
        }
        bytes
    }

    pub fn is_component(&self) -> bool {
        self.head[6] == 1
    }

    /// The core modules in it, at every depth.
    pub fn modules(&self) -> Vec<&Self> {
        let nested = self
            .sections
            .iter()
            .filter_map(|section| match &section.body {
                Body::Nested(binary) if binary.is_component() => Some(binary.modules()),
                Body::Nested(binary) => Some(vec![binary]),
                Body::Plain(_) => None,
            });
        nested.flatten().collect()
    }

    /// The same with `module` in place of its first core module.
    pub fn with_first_module(mut self, module: &[u8]) -> Self {
        let is_module = |section: &&mut Section| matches!(&section.body, Body::Nested(binary) if !binary.is_component());
        if let Some(section) = self.sections.iter_mut().find(is_module) {
            section.body = Body::Plain(module.to_vec());
        }
        self
    }
}

impl Section {
    pub fn new(id: u8, body: Body) -> Self {
        Self {
            id,
            body,
            claimed: None,
        }
    }
}

/// A number as the format has it.
pub fn leb(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}

/// The number at the start of these bytes, and how many bytes it has.
pub fn unleb(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut number = 0;
    for (i, byte) in bytes.iter().enumerate().take(9) {
        number |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Some((number, i + 1));
        }
    }
    None
}
