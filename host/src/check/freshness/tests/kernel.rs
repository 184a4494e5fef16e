//! The pool itself, on a kernel that says it has taken pages back and has not.

use super::*;

/// From now on this thread's requests to take pages back, from `base` on, are
/// answered and not carried out. Other threads are not concerned, nor is what
/// lies elsewhere: malloc relies on it.
fn forgets_to_take_back(base: usize) {
    // What the filter loads, as offsets in `seccomp_data`: the number of the
    // call, and halves of its arguments.
    const CALL: u32 = 0;
    const ADDRESS_LOW: u32 = 16;
    const ADDRESS_HIGH: u32 = 20;
    const ADVICE: u32 = 32;

    let statement = |code: u32, jt, jf, k| libc::sock_filter {
        code: u16::try_from(code).expect("a code"),
        jt,
        jf,
        k,
    };
    let load = |at| statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, at);
    let answer = |what| statement(libc::BPF_RET | libc::BPF_K, 0, 0, what);
    let jump = |how, k, yes, no| statement(libc::BPF_JMP | how | libc::BPF_K, yes, no, k);
    let call = |number: libc::c_long| u32::try_from(number).expect("a call");
    let dont_need = u32::try_from(libc::MADV_DONTNEED).expect("an advice");

    let mut filter = [
        load(CALL),
        // The one for many regions, whose addresses a filter does not see.
        jump(libc::BPF_JEQ, call(libc::SYS_process_madvise), 9, 0),
        jump(libc::BPF_JEQ, call(libc::SYS_madvise), 0, 6),
        load(ADVICE),
        jump(libc::BPF_JEQ, dont_need, 0, 4),
        load(ADDRESS_HIGH),
        jump(libc::BPF_JEQ, (base >> 32) as u32, 0, 2),
        load(ADDRESS_LOW),
        jump(libc::BPF_JGE, base as u32, 1, 0),
        answer(libc::SECCOMP_RET_ALLOW),
        // Done, without having been done.
        answer(libc::SECCOMP_RET_ERRNO),
        answer(libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32),
    ];
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: this thread gives up its right to gain privileges, of which it
    // makes no use.
    let given_up = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(given_up, 0, "{}", std::io::Error::last_os_error());
    // SAFETY: `program` and the filter that it points to live until the call
    // returns; the kernel copies and verifies the filter. What the filter
    // makes of `madvise` concerns pages from `base` to the next multiple of
    // 4 GiB, which are a slot's: its content is not what anybody's soundness
    // rests on.
    let set = unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const program,
        )
    };
    assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
}

/// What comes of `body` in a slot of each way, of which the kernel takes back
/// nothing.
fn tried_in_vain(body: &str) -> Vec<Result<Tally, Fault>> {
    let component = testing::handler(body);
    let ways = slots(&component);
    let tried = ways.into_iter().map(|mut slot| {
        // A thread of its own, since a filter is for life.
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.expect("a runtime").block_on(async {
                let seen = look(&mut slot, Door::Fast, &limits()).await;
                let seen = seen.expect("it can be looked at");
                forgets_to_take_back(seen.addresses()[0]);
                slot.take_back(seen.guest);
                try_slots(&mut [slot]).await
            })
        });
        thread.join().expect("no panic")
    });
    tried.collect()
}

#[test]
fn pages_that_the_kernel_did_not_take_back_are_found_in_every_way() {
    for tried in tried_in_vain(SCATTER) {
        let fault = tried.expect_err("the pages are still there");
        assert!(matches!(fault, Fault::Stale { .. }), "{fault}");
    }
}
