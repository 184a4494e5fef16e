//! Blocks of all kinds, by the arena's own methods.

use lavandula::{AllocError, Arena};

/// Takes a place with more alignment than the cursor has.
#[repr(align(64))]
struct Aligned {
    _bytes: [u8; 64],
}

/// What fits into the first block.
pub fn small(arena: &Arena, marker: &str) -> Result<(), AllocError> {
    arena.strdup(marker)?;
    let mut bytes = [0; 64];
    fill(&mut bytes, marker);
    arena.alloc(Aligned { _bytes: bytes })?;
    let scope = arena.scope();
    scope.strdup(marker)?;
    Ok(())
}

/// Fills several blocks. Other arenas take pages in between, so that no block can
/// grow in place, and give them up at the end.
pub fn blocks(arena: &Arena, marker: &str) -> Result<(), AllocError> {
    const OTHERS: usize = 4;
    let others = [const { Arena::new() }; OTHERS];
    for other in &others {
        for _ in 0..7 {
            let part = arena.alloc_slice_fill_with(9_000, |_| 0_u8)?;
            fill(part, marker);
        }
        let part = other.alloc_slice_fill_with(50_000, |_| 0_u8)?;
        fill(part, marker);
    }
    Ok(())
}

/// Fills blocks that hold one allocation each, one of which grows.
pub fn large(arena: &Arena, marker: &str) -> Result<(), AllocError> {
    for bytes in [150_000, 90_000] {
        let part = arena.alloc_slice_fill_with(bytes, |_| 0_u8)?;
        fill(part, marker);
    }
    let mut buffer = arena.buffer();
    while buffer.bytes().len() < 200_000 {
        buffer.push(marker.as_bytes())?;
        buffer.push(&[b'~'; 1_000])?;
    }
    buffer.finish();
    Ok(())
}

/// Wants zeros: in the first block, behind it, and where another arena has just been.
/// Leaves something else.
pub fn zeroed(arena: &Arena, marker: &str) -> Result<(), AllocError> {
    let other = Arena::new();
    fill(other.alloc_slice_fill_with(60_000, |_| 0)?, marker);
    drop(other);
    for bytes in [500, 30_000, 50_000, 200_000] {
        let part = arena.calloc(bytes, 1)?;
        assert!(part.iter().all(|&byte| byte == 0), "it is not zero");
        part.fill(0x5A);
    }
    Ok(())
}

/// Leaves no byte of it zero, and the marker at both ends and here and there between
/// them: everywhere would be much to look for.
pub fn fill(bytes: &mut [u8], marker: &str) {
    const APART: usize = 1024;
    bytes.fill(b'~');
    for part in bytes.chunks_mut(APART) {
        write(part, marker);
    }
    let end = bytes.len().saturating_sub(marker.len());
    write(&mut bytes[end..], marker);
}

fn write(bytes: &mut [u8], marker: &str) {
    for (place, byte) in bytes.iter_mut().zip(marker.bytes()) {
        *place = byte;
    }
}
