/* What a step works with, and how its threads share it out: for the parts of decoder.c. */
#ifndef QUARRY_CONTEXT_H
#define QUARRY_CONTEXT_H
#include <stdatomic.h>

#include "formats.h"
#include "pool.h"

enum { COUNTERS_A_LAYER = 16 }; /* shared products and loops, at most */

typedef struct { /* prepared columns of one matrix product */
    float *floats;
    column32 *by32;
    column256 *by256;
    wide256 *wide; /* the columns that fill sixteens, once more */
} prepared;

typedef struct { /* which experts work on which columns; a pair is a column with one of its experts */
    float *scores;    /* [columns][experts, up to eight] */
    float *weights;   /* [columns][used] */
    int32_t *chosen;  /* [columns][used] */
    int32_t *places;  /* [columns][used]: where the pair stands among all, which are sorted by expert */
    int32_t *columns; /* [pairs] */
    int32_t *active;  /* [experts]: those with pairs */
    int32_t *begins;  /* [active_count + 1]: their first pairs */
    int32_t active_count;
    float *gated; /* [pairs][expert_intermediate] */
    float *out;   /* [pairs][hidden] */
    prepared pairs;
} expert_memory;

struct qc_context {
    const qc_model *model;
    const qc_batch *batch;
    pool *pool;
    int32_t threads;          /* that work */
    int32_t prepared_threads; /* that have memory of their own */
    int64_t wide_stride, mixed_stride;
    float *x;      /* [columns][hidden], the residual stream */
    float *wide;   /* [columns][wide_stride]: q|k|v, z|xBC|dt, or silu(gate)*up */
    float *mixed;  /* [columns][mixed_stride]: what attention or the scan gave */
    float *conv;   /* [columns][channels] */
    float *angles; /* [columns][head_dim]: cosines, then sines */
    float *partials;
    int64_t partials_size; /* floats */
    prepared shared, *own; /* for many columns, and each thread's for one */
    float **scratch;       /* each thread's, for attention */
    expert_memory experts;
    atomic_llong *counters;
    int64_t counter_count;
};

typedef struct { /* a thread's way through a step */
    qc_context *context;
    int32_t thread;
    int64_t counter;
} walk;

static inline int64_t up_to_eight(int64_t n) { return (n + 7) / 8 * 8; }
static inline int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

/* The walk's next counter; every thread takes the same ones in the same order. */
static inline atomic_llong *counter(walk *w) { return &w->context->counters[w->counter++]; }

static inline void barrier(walk *w) { pool_barrier(w->context->pool); }

/* Groups of a matrix that a thread takes at a time, a multiple of `step`. */
int64_t tile_groups(const qc_context *context, const qc_matrix *matrix, int64_t groups, int64_t columns, int64_t step);
/* This thread's share of a product; others may still be at it when this one returns. */
void multiply_share(walk *w, const qc_matrix *matrix, const inputs *in, int64_t columns, const outputs *out);

/* Columns of `from`, through a norm if there is one, in the kinds that `wants` names. With one column every thread
 * prepares it for itself (that takes less time than a barrier); with several they share them. */
inputs prepare(walk *w, const float *from, int64_t stride, const float *norm, int64_t width, int64_t columns, int wants);
void round_column(const prepared *p, int64_t column, int64_t width, int wants);

void mix_experts(walk *w, const qc_layer *layer);

/* Memory; what opens gives 0 where there is none. */
void *aligned(int64_t bytes);
void release(void *p);
int open_prepared(prepared *p, int64_t columns, int64_t width);
void close_prepared(prepared *p);
int experts_open(expert_memory *memory, const qc_model *model, int64_t columns);
void experts_close(expert_memory *memory);
#endif
