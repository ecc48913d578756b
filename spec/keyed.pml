/* Compare-and-set and delta, each with a key that the channel remembers. A raise is charged before
 * it leaves, a cut is released by a read sent after its quarantine. */
:: atomic { MAY_OPEN && (TAKEABLE(1) || BENT(RAISE_CHARGED_LATE)) ->
    compare_with_any(value, 0);
    if :: BENT(RAISE_CHARGED_LATE) :: else -> A.exposure++ fi;
    send_first(1); printf("channel %d: a raise leaves, by %d\n", c, A.distance); given_away(); verdict() }
:: atomic { MAY_OPEN && MOST >= 2 && TAKEABLE(2) && !BENT(RAISE_CHARGED_LATE) ->
    compare_with_any(value, 0);
    A.exposure = A.exposure + 2;
    send_first(2); printf("channel %d: a raise leaves, by %d\n", c, A.distance); given_away(); verdict() }
:: atomic { MAY_OPEN ->
    compare_with_any(value, 1);
    if :: BENT(RAISE_BEFORE_CUT) -> promised++ :: else fi;
    send_first(-1); printf("channel %d: a cut leaves, by %d\n", c, A.distance) }
:: atomic { MAY_OPEN && MOST >= 2 ->
    if :: KIND(c) == CAS -> A.compare = 2 :: else fi;
    send_first(-2); printf("channel %d: a cut leaves, by %d\n", c, A.distance) }
/* A further copy: the same key, the same bytes. */
:: atomic { shopping && A.push == 1 && A.retries && !A.shut && A.copies < 2 ->
    printf("channel %d: a second copy leaves\n", c);
    A.retries--; A.copies++; A.spoilt = (A.reading > 0) }
/* The key has reached 80 % of its life: no more copies; when none is under way it is forgotten. */
:: atomic { RETRIES && A.push == 1 && !A.aged && (A.copies == 0 || BENT(OLD_KEY_AGAIN)) ->
    printf("channel %d: the key grows old\n", c);
    A.aged = true; A.applied = false;
    if :: BENT(OLD_KEY_AGAIN) :: else -> A.shut = true fi }
/* A copy arrives at the channel; its answer reaches us or is lost. */
:: atomic { A.copies && REMEMBERED ->
    printf("channel %d: a copy arrives, its key is known\n", c);
    A.copies--;
    if :: A.push == 1 -> answer_applied() :: printf("channel %d: its answer is lost\n", c); A.doubt = (A.push == 1); want() fi }
:: atomic { A.copies && !REMEMBERED && MATCHES ->
    printf("channel %d: a copy arrives and applies\n", c);
    A.copies--;
    A.counter = A.counter + A.distance;
    A.applied = !BENT(NO_KEY);
    if :: A.distance < 0 -> A.old = A.checkouts :: else fi;
    if :: A.push == 1 -> answer_applied() :: printf("channel %d: its answer is lost\n", c); A.doubt = (A.push == 1); want() fi;
    verdict() }
:: atomic { A.copies && !REMEMBERED && A.push == 1 && (KIND(c) == DELTA || !MATCHES) ->
    printf("channel %d: a copy is refused\n", c);
    A.copies--; answer_refused(); verdict() }
/* A copy or its refusal is lost, or the answer is 401, 429, 5xx: that proves nothing. */
:: atomic { A.copies ->
    printf("channel %d: a copy is lost, or nothing is proven by its answer\n", c);
    A.copies--;
    if
    :: BENT(SILENCE_IS_PROOF) && A.push == 1 -> uncharge(); close()
    :: else -> A.doubt = (A.push == 1); want()
    fi;
    verdict() }
:: atomic { BENT(SILENCE_IS_PROOF) && A.push == 1 && A.copies ->
    printf("channel %d: a timeout, the copy is still under way\n", c);
    uncharge(); close() }
/* A proven cut. Its quarantine lasts while a checkout older than it may still end in a sale. */
:: atomic { A.push == 2 && (A.old == 0 || BENT(CUT_READ_EARLY) || BENT(CUT_WITHOUT_READ)) ->
    if
    :: A.counter >= 0 || BENT(CUT_BELOW_ZERO) || BENT(CUT_WITHOUT_READ) ->
        printf("channel %d: the cut is released\n", c);
        A.exposure = FLOOR(A.exposure + A.distance); close()
    :: else -> want()
    fi;
    verdict() }
