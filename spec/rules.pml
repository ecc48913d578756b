/* The rules of the protocol that can be bent, one at a time: spin -DWRONG=SETTLE_FRESH escrow.pml
 *
 * README.md says for each what the right rule is and which code implements it. Everything else in
 * this folder is written with the right rule and an exception `BENT(...)` where it is bent.
 */
#define NOTHING                 0
/* charging */
#define RAISE_CHARGED_LATE      1
#define SET_RETRY_FREE          2
#define SMALLER_SET_RELEASES    3
#define RAISE_BEFORE_CUT        4
/* what proves that a push did not apply */
#define NO_KEY                  5
#define OLD_KEY_AGAIN           6
#define ANY_REFUSAL_IS_PROOF    7
#define SILENCE_IS_PROOF        8
#define CLIENT_REPEATS          9
/* releasing a cut */
#define CUT_WITHOUT_READ       10
#define CUT_READ_EARLY         11
#define CUT_BELOW_ZERO         12
/* settling */
#define SETTLE_BY_OUR_CLOCK    13
#define SETTLE_FORGETS_CANCELS 14
#define SETTLE_BY_MOVEMENTS    15
#define SETTLE_UNCLAMPED       16
#define SETTLE_LOOKS_AT_END    17
#define SETTLE_LOOKS_AT_START  18
#define SETTLE_FRESH           19
#define SETTLE_AHEAD_OF_ORDERS 20
#define SETTLE_IN_QUARANTINE   21
#define SETTLE_LEAVES_OPEN     22
#define LOST_LEASE_ENDS        23
/* orders and stock */
#define CANCEL_TO_FREE         24
#define BELOW_ZERO             25
#define EXCESS_FORGOTTEN       26
#define ADOPTION_IS_NOTHING    27
#define DEFICIT_IS_IGNORED     28
/* coming to rest */
#define NOBODY_SETTLES         29
#define SWALLOWED_IS_FORGOTTEN 30
#define NEGATIVE_READ_IS_EXACT 31
/* no rule, a claim that must be wrong: without a counterexample the model would be vacuous */
#define NOTHING_SELLS_OUT      32

#ifndef WRONG
#define WRONG NOTHING
#endif
#define BENT(rule) (WRONG == rule)
