/* Threads that work in step. The caller is one of them. */
#ifndef QUARRY_POOL_H
#define QUARRY_POOL_H
#include <stdint.h>

typedef struct pool pool;
pool *pool_open(int32_t threads); /* NULL: no memory or no thread */
int32_t pool_threads(const pool *p); /* as many as could be started, the caller included */
void pool_close(pool *p);
void pool_run(pool *p, void (*work)(void *argument, int32_t thread), void *argument); /* returns when all have ended */
void pool_barrier(pool *p);                                                           /* inside work, by every thread */
#endif
