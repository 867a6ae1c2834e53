/* The C under the rows: it does next to nothing, so that what is measured is the crossing. The functions do what the
 * fixtures of the same names do on the other side. */
#ifndef CEDE_BENCH_WORK_H
#define CEDE_BENCH_WORK_H

/* arg + 1. */
int empty(int arg);

/* Calls Go's goIncrement with 0..n; the sum of its answers. */
long call_n(int n);

/* The same from a thread that is made for it; -1 if there is none. */
long foreign_n(int n);

/* Calls Go's goIncrement once; its answer. */
int call_once(int arg);

/* Calls Go's goNest, which comes back here with level - 1 until level is 1; returns level. */
int nest(int level);

/* Sleeps us microseconds whatever signals arrive (Go preempts with one) and returns us. */
int sleep_us(int us);

#endif
