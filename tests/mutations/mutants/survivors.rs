//! Mistakes that the check does not catch, so that it is known which.

use crate::judge::{DROPPED, IMAGE, OVERLAP};

section! {
    "Not caught"

    no_store_is_named:
        "`image-store` names nothing: the guest looks as if it had no image, \
        and then there is nothing to compare. The evidence `identity` says so, \
        and holds",
        in "src/instance.rs": "spans.into_iter().flatten()" => "spans.into_iter().flatten().take(0)",
        IMAGE => [];
    an_instance_does_not_rewind_itself:
        "an instance that no host rewinds does not rewind itself: the check \
        rewinds after each request",
        in "src/instance.rs": "        unsafe { take_back() };
        zero_stack_below();
    }
    INSTANCE.invocation.receive();"
        => "    }
    INSTANCE.invocation.receive();",
        IMAGE => [];
    a_full_block_wastes_nothing:
        "the end of a full block is not counted as waste: the check asks when \
        the arena was reset, and then there is no waste",
        in "src/arena/refill.rs": "            self.figures.tail_waste.add(current.end() - cursor);" => "",
        IMAGE => [];
    free_pages_are_lost_once:
        "a rewind makes one page less free than there is: that page is lost \
        once and not in each request",
        in "src/image.rs": "free[0] = Span::new(self.end, grown_to());"
        => "free[0] = Span::new((self.end + DEFAULT_BLOCK_SIZE).min(grown_to()), grown_to());",
        IMAGE => [];
    resets_count_twice_where_each_has_an_instance:
        "a reset counts as two, with an instance for each request: all agree \
        with each other",
        in "src/arena/reset.rs": "figures.resets.tick();"
        => "figures.resets.tick();
        figures.resets.tick();",
        DROPPED => [];
    the_stack_stays_where_requests_overlap:
        "the stack is not cleared when one of several invocations ends: the check \
        rewinds when all of them have, and that clears it",
        in "src/overlap.rs": "    zero_stack_below();
}" => "    let _ = zero_stack_below;
}",
        OVERLAP => [];
}
