/* A read-back and what it proves. Nothing may be outstanding when it is sent (a), no checkout older
 * than a lowering; it is true at some instant between a and b; it settles once every order up to b
 * is counted, if no non-zero attempt started meanwhile. A zero may pass at any time, unless there
 * are checkouts: then it is a lowering, and its quarantine must be over too. Safety needs the sales up to b; only
 * exactness needs the cancels up to b as well. */
#define OUTSTANDING (A.copies + A.sets[1] + A.sets[MOST] > 0)
#define QUIET ((!OUTSTANDING || BENT(LOST_LEASE_ENDS) || BENT(SETTLE_LOOKS_AT_END)) \
    && ((A.old == 0 && (CHECKOUTS == 0 || !A.sets[0])) || BENT(SETTLE_IN_QUARANTINE)))
#define UP_TO_B (BENT(SETTLE_AHEAD_OF_ORDERS) \
    || (A.unseen == 0 && A.dropped_after == 0 && (!REST || A.returned == 0)))
#define STILL_QUIET (BENT(SETTLE_LOOKS_AT_START) \
    || (BENT(SETTLE_LOOKS_AT_END) -> !OUTSTANDING : !A.spoilt))
#define NO_ZERO_ABOUT (!A.zero_about || A.shown <= 0)

:: atomic { READS(c) && A.reading == 0 && (!REST || A.wanted) && QUIET && !BENT(SETTLE_FRESH) ->
    printf("channel %d: a read is sent\n", c);
    A.reading = 1; A.spoilt = false; A.doubtful = false; A.zero_about = (REST && A.sets[0]) }
:: atomic { A.reading == 1 ->
    A.reading = 2; A.shown = A.counter; printf("channel %d: the read is true, it shows %d\n", c, A.shown) }
:: atomic { A.reading == 2 -> printf("channel %d: the read is received\n", c); A.reading = 3 }
/* A copy of the counter that lags: what it shows was true before we looked whether all is quiet. */
:: atomic { BENT(SETTLE_FRESH) && A.reading == 0 ->
    A.reading = 1; A.shown = A.counter; printf("channel %d: a lagging copy remembers %d\n", c, A.shown) }
:: atomic { BENT(SETTLE_FRESH) && A.reading == 1 && QUIET ->
    printf("channel %d: a read is sent and answered by the lagging copy\n", c);
    A.reading = 3; A.spoilt = false }
:: atomic { A.reading == 3 && UP_TO_B && STILL_QUIET && NO_ZERO_ABOUT ->
    settle(value);
    printf("channel %d: settled: the exposure is %d\n", c, A.exposure); verdict() }
:: atomic { A.reading == 3 && (A.spoilt || !NO_ZERO_ABOUT) ->
    printf("channel %d: the read is of no use\n", c);
    forget_read() }
