//! Memory of a process with all that it has started, as the kernel tells it.

use std::collections::BTreeMap;
use std::fs;

/// Bytes that the processes have in memory: of what they share with others, such as the
/// files of a program, each has its part.
pub fn of_tree(root: u32) -> Option<u64> {
    let all = descendants(root, &parents()).into_iter().chain([root]);
    let sizes = all.filter_map(|process| {
        let path = format!("/proc/{process}/smaps_rollup");
        proportional(&fs::read_to_string(path).ok()?)
    });
    sizes.reduce(|a, b| a + b)
}

/// The parent of each process.
fn parents() -> BTreeMap<u32, u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let parents = processes.filter_map(|entry| {
        let process = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        Some((process, parent(&stat)?))
    });
    parents.collect()
}

/// The second field is the name, in which anything may stand.
fn parent(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

fn descendants(root: u32, parents: &BTreeMap<u32, u32>) -> Vec<u32> {
    let mut found = vec![root];
    let mut at = 0;
    while let Some(&process) = found.get(at) {
        let children = parents.iter().filter(|&(_, &parent)| parent == process);
        let children: Vec<_> = children.map(|(&child, _)| child).collect();
        found.extend(children);
        at += 1;
    }
    found.split_off(1)
}

fn proportional(rollup: &str) -> Option<u64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descendants_are_found_in_any_order_of_numbers() {
        let parents = BTreeMap::from([(2, 1), (9, 2), (3, 9), (4, 1), (5, 4)]);
        let mut found = descendants(2, &parents);
        found.sort_unstable();
        assert_eq!(found, [3, 9]);
        assert!(descendants(5, &parents).is_empty());
    }

    #[test]
    fn figures_are_those_of_the_kernels_files() {
        assert_eq!(parent("42 (a) name 7) S 17 42 42 0"), Some(17));
        let rollup = "00400000-7fff rollup\nRss:  4096 kB\nPss:   2048 kB\nPss_Dirty: 1 kB\n";
        assert_eq!(proportional(rollup), Some(2 << 20));
    }

    #[test]
    fn this_process_has_memory() {
        if cfg!(target_os = "linux") {
            assert!(of_tree(std::process::id()) > Some(1 << 20));
        }
    }
}
