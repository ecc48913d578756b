/* From order facts, not from movements: E := what was shown, less what was sold after it and is
 * counted, plus what was possibly put back since the read was sent. */
inline settle(read_below_zero) {
    d_step {
        read_below_zero = A.shown < 0;
        if :: read_below_zero && !BENT(SETTLE_UNCLAMPED) -> A.shown = 0 :: else fi;
        A.swallows = (REST && !BENT(SWALLOWED_IS_FORGOTTEN) \
            && (A.zero_about || read_below_zero || A.shown - A.sold_after + A.relisted_after < 0));
        A.shown = A.shown - A.sold_after;
        if :: BENT(SETTLE_FORGETS_CANCELS) :: else -> A.shown = A.shown + A.relisted_after fi;
        if :: A.shown < 0 && !BENT(SETTLE_UNCLAMPED) -> A.shown = 0 :: else fi;
        A.exposure = A.shown;
        A.settled = true;
        A.wanted = A.doubtful;
        if
        :: (A.zero_about || read_below_zero) && A.exposure > 0 && !BENT(NEGATIVE_READ_IS_EXACT) ->
            want()
        :: else
        fi;
        if :: BENT(SETTLE_LEAVES_OPEN) :: else -> close() fi;
        read_below_zero = false;
        forget_read()
    }
}

/* What the read was compared with is of no further interest. */
inline forget_read() {
    d_step {
        A.reading = 0; A.shown = 0; A.spoilt = false; A.zero_about = false; A.sold_after = 0; A.relisted_after = 0;
        A.unseen = A.unseen + A.unseen_after; A.unseen_after = 0;
        A.returned = A.returned + A.returned_after; A.returned_after = 0;
        A.dropped_after = 0
    }
}
