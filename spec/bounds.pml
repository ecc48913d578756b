/* How much may happen in one run: every bound is a -D of the caller; what is not named does not
 * happen. Units, checkouts and the rest are small, the interleavings are all of them. */
#define LIVE     0
#define CAS      1
#define DELTA    2
#define ABSOLUTE 3

#ifndef KIND_0
#define KIND_0 CAS
#endif
#ifndef KIND_1
#define KIND_1 CAS
#endif
#ifndef UNITS
#define UNITS 3          /* owned at the start */
#endif
#ifndef SHOWN_0
#define SHOWN_0 1        /* on channel 0 at the start, settled unless ADOPTING */
#endif
#ifndef SHOWN_1
#define SHOWN_1 1
#endif
#ifndef SLICE
#define SLICE 0          /* protected for the channel that asks */
#endif
#ifndef MOST
#define MOST 2           /* largest value or distance of one push */
#endif
#ifndef PUSHES_0
#define PUSHES_0 1
#endif
#ifndef PUSHES_1
#define PUSHES_1 1
#endif
#ifndef READS_0
#define READS_0 1        /* whether channel 0 is read back; a raise, and a cut whose answer came, rest without */
#endif
#ifndef READS_1
#define READS_1 1
#endif
#ifndef RETRIES
#define RETRIES 0        /* further copies, for each channel */
#endif
#ifndef CANCELS
#define CANCELS 0        /* in all */
#endif
#ifndef CHECKOUTS
#define CHECKOUTS 0      /* begun before they buy, in all */
#endif
#ifndef LOSSES
#define LOSSES 0         /* units that a count finds missing */
#endif
#ifndef BEYOND
#define BEYOND 0         /* sales of channel 0 past its number: a till */
#endif
#ifndef RELISTS
#define RELISTS 1        /* whether a channel puts cancelled units back on sale */
#endif
#ifndef ADOPTING
#define ADOPTING 0       /* channel 0 was never settled */
#endif
#ifndef REST
#define REST 0           /* shopping ends at some time, and the books must come to rest */
#endif
