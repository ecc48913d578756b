/* Sets without compare or key. Every attempt of a value above zero is charged in full, and may
 * apply at any later time, after any other. Zero is free. */
#define MAY_SET (KIND(c) == ABSOLUTE && shopping && A.pushes)
#define SET(q) \
:: atomic { MAY_SET && A.settled && TAKEABLE(q) -> \
    printf("channel %d: set leaves %d\n", c, q); \
    A.pushes--; A.exposure = A.exposure + q; A.sets[q]++; A.spoilt = (A.reading > 0); \
    want(); given_away(); verdict() } \
:: atomic { shopping && A.retries && A.sets[q] && A.settled \
        && (TAKEABLE(q) || BENT(SET_RETRY_FREE)) -> \
    printf("channel %d: set leaves once more %d\n", c, q); \
    A.retries--; A.sets[q]++; A.spoilt = (A.reading > 0); \
    if :: BENT(SET_RETRY_FREE) :: else -> A.exposure = A.exposure + q fi; \
    want(); given_away(); verdict() } \
:: atomic { A.sets[q] -> \
    printf("channel %d: set applies %d\n", c, q); \
    if :: !BENT(CLIENT_REPEATS) -> A.sets[q]-- :: BENT(CLIENT_REPEATS) fi; \
    lower_to(q); A.counter = q; verdict() } \
:: atomic { A.sets[q] -> printf("channel %d: set is lost %d\n", c, q); A.sets[q]-- }
SET(1)
SET(MOST)
:: atomic { MAY_SET && !A.sets[0] ->
    printf("channel %d: set 0 leaves\n", c);
    if :: A.reading && CHECKOUTS && !BENT(SETTLE_IN_QUARANTINE) -> A.spoilt = true :: else fi;
    A.zero_about = (A.zero_about || (REST && A.reading));
    A.pushes--; A.sets[0]++; want() }
:: atomic { A.sets[0] ->
    printf("channel %d: set 0 applies\n", c);
    A.sets[0]--; lower_to(0); A.counter = 0; verdict() }
:: atomic { A.sets[0] -> printf("channel %d: set 0 is lost\n", c); A.sets[0]-- }
:: atomic { BENT(SMALLER_SET_RELEASES) && A.sets[1] && A.exposure > 1 -> A.exposure = 1 }
