/* Shoppers. The channel counts checkouts in progress against its number. */
:: atomic { shopping && A.counter - A.checkouts >= 1 ->
    printf("channel %d: a unit is bought\n", c);
    sell(); verdict() }
:: atomic { shopping && c == 0 && beyond_left && A.counter - A.checkouts <= 0 ->
    printf("channel %d: a unit is sold past the number\n", c);
    beyond_left--; sell() }
:: atomic { shopping && checkouts_left && A.counter - A.checkouts >= 1 ->
    printf("channel %d: a checkout begins\n", c);
    checkouts_left--; A.checkouts++; verdict() }
/* A checkout ends, bought or abandoned; one that is older than a cut may end below 0. */
:: atomic { A.checkouts > A.old ->
    printf("channel %d: a checkout ends in a sale\n", c);
    A.checkouts--; sell(); verdict() }
:: atomic { A.old ->
    printf("channel %d: a checkout older than the cut ends in a sale\n", c);
    A.old--; A.checkouts--; sell(); verdict() }
:: atomic { A.old ->
    printf("channel %d: a checkout older than the cut is abandoned\n", c);
    A.old--; A.checkouts-- }
:: atomic { REST && A.checkouts > A.old ->
    printf("channel %d: a checkout is abandoned\n", c);
    A.checkouts-- }
/* An order is cancelled, counted or not; the channel puts the unit back on sale, or does not. */
:: atomic { shopping && cancels && A.unseen ->
    printf("channel %d: a sale that we have not counted is cancelled\n", c);
    A.unseen--; cancel();
    if :: A.reading -> A.dropped_after++ :: else fi }
:: atomic { shopping && cancels && A.unseen_after ->
    printf("channel %d: a sale after the read is cancelled\n", c);
    A.unseen_after--; cancel() }
:: atomic { shopping && cancels && A.counted ->
    printf("channel %d: a counted sale is cancelled\n", c);
    A.counted--; cancel();
    if :: A.reading -> A.returned_after++ :: else -> A.returned++ fi }
