/* A barrier spins for some microseconds, then sleeps: between two phases of a step the others are there at once, and a
 * window that shares the cores is not starved when they are not. */
#if defined(__linux__)
#define _GNU_SOURCE
#endif
#include "pool.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>

#if defined(_WIN32)
#include <windows.h>
typedef HANDLE thread_id;
typedef SRWLOCK lock_type;
typedef CONDITION_VARIABLE condition;
#define lock_init(lock, changed) (InitializeSRWLock(lock), InitializeConditionVariable(changed))
#define lock_take(lock) AcquireSRWLockExclusive(lock)
#define lock_free(lock) ReleaseSRWLockExclusive(lock)
#define lock_wait(lock, changed) SleepConditionVariableSRW(changed, lock, INFINITE, 0)
#define lock_wake(changed) WakeAllConditionVariable(changed)
#else
#include <pthread.h>
typedef pthread_t thread_id;
typedef pthread_mutex_t lock_type;
typedef pthread_cond_t condition;
#define lock_init(lock, changed) (pthread_mutex_init(lock, NULL), pthread_cond_init(changed, NULL))
#define lock_take(lock) pthread_mutex_lock(lock)
#define lock_free(lock) pthread_mutex_unlock(lock)
#define lock_wait(lock, changed) pthread_cond_wait(changed, lock)
#define lock_wake(changed) pthread_cond_broadcast(changed)
#endif
#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

enum { SPINS = 2000 };

struct member {
    pool *owner;
    int32_t number;
    thread_id thread;
};

struct pool {
    int32_t threads;
    atomic_int arrived, turn, sleepers;
    void (*work)(void *, int32_t); /* NULL: end */
    void *argument;
    struct member *members;
    lock_type lock; /* where there is no futex */
    condition changed;
};

static void pause_briefly(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void sleep_while(pool *p, int turn) {
    atomic_fetch_add(&p->sleepers, 1);
#if defined(__linux__)
    while (atomic_load(&p->turn) == turn) syscall(SYS_futex, &p->turn, FUTEX_WAIT_PRIVATE, turn, NULL, NULL, 0);
#else
    lock_take(&p->lock);
    while (atomic_load(&p->turn) == turn) lock_wait(&p->lock, &p->changed);
    lock_free(&p->lock);
#endif
    atomic_fetch_sub(&p->sleepers, 1);
}

static void next_turn(pool *p) {
    atomic_fetch_add(&p->turn, 1);
    if (!atomic_load(&p->sleepers)) return;
#if defined(__linux__)
    syscall(SYS_futex, &p->turn, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
#else
    lock_take(&p->lock);
    lock_wake(&p->changed);
    lock_free(&p->lock);
#endif
}

void pool_barrier(pool *p) {
    int turn = atomic_load(&p->turn);
    if (atomic_fetch_add(&p->arrived, 1) == p->threads - 1) {
        atomic_store(&p->arrived, 0);
        next_turn(p);
        return;
    }
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(&p->turn, memory_order_acquire) != turn) return;
        pause_briefly();
    }
    sleep_while(p, turn);
}

#if defined(_WIN32)
static DWORD WINAPI member_main(void *argument) {
#else
static void *member_main(void *argument) {
#endif
    struct member *self = argument;
    for (;;) {
        pool_barrier(self->owner); /* the start of a run */
        if (!self->owner->work) break;
        self->owner->work(self->owner->argument, self->number);
        pool_barrier(self->owner); /* its end */
    }
    return 0;
}

static int start_member(struct member *m) {
#if defined(_WIN32)
    m->thread = CreateThread(NULL, 0, member_main, m, 0, NULL);
    return m->thread != NULL;
#else
    return pthread_create(&m->thread, NULL, member_main, m) == 0;
#endif
}

static void join_member(struct member *m) {
#if defined(_WIN32)
    WaitForSingleObject(m->thread, INFINITE);
    CloseHandle(m->thread);
#else
    pthread_join(m->thread, NULL);
#endif
}

pool *pool_open(int32_t threads) {
    pool *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    p->members = calloc((size_t)threads, sizeof *p->members);
    if (!p->members) {
        free(p);
        return NULL;
    }
    lock_init(&p->lock, &p->changed);
    p->threads = threads;
    for (int32_t i = 1; i < threads; i++) {
        p->members[i] = (struct member){.owner = p, .number = i};
        if (!start_member(&p->members[i])) {
            p->threads = i; /* those that started wait for as many as there are: work goes on with fewer */
            break;
        }
    }
    return p;
}

int32_t pool_threads(const pool *p) { return p->threads; }

void pool_run(pool *p, void (*work)(void *, int32_t), void *argument) {
    p->work = work;
    p->argument = argument;
    pool_barrier(p);
    if (!work) return;
    work(argument, 0);
    pool_barrier(p);
}

void pool_close(pool *p) {
    pool_run(p, NULL, NULL);
    for (int32_t i = 1; i < p->threads; i++) join_member(&p->members[i]);
#if !defined(_WIN32)
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->changed);
#endif
    free(p->members);
    free(p);
}
