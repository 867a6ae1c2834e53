#include "work.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
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

static void *calls_n(void *n) { return (void *)(intptr_t)call_n((int)(intptr_t)n); }

long foreign_n(int n) {
    pthread_t thread;
    void *sum;
    if (pthread_create(&thread, NULL, calls_n, (void *)(intptr_t)n) != 0) {
        return -1;
    }
    pthread_join(thread, &sum);
    return (long)(intptr_t)sum;
}

int call_once(int arg) { return goIncrement(arg); }

int nest(int level) { return goNest(level); }

int sleep_us(int us) {
    struct timespec left = {us / 1000000, (us % 1000000) * 1000L};
    while (nanosleep(&left, &left) == -1 && errno == EINTR) {
    }
    return us;
}
