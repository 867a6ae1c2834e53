#include "work.h"

#include <errno.h>
#include <time.h>

#include "_cgo_export.h"

int empty(int arg) { return arg + 1; }

long call_n(int n) {
    long sum = 0;
    for (int i = 0; i < n; i++) {
        sum += goIncrement(i);
    }
    return sum;
}

int call_once(int arg) { return goIncrement(arg); }

int nest(int level) { return goNest(level); }

int sleep_us(int us) {
    struct timespec left = {us / 1000000, (us % 1000000) * 1000L};
    while (nanosleep(&left, &left) == -1 && errno == EINTR) {
    }
    return us;
}
