/* The memory of a context, and what the library says of itself. */
#include "context.h"

#include <stdlib.h>

#include "attention.h"
#include "mamba.h"

void *aligned(int64_t bytes) {
#if defined(_WIN32)
    return _aligned_malloc((size_t)bytes + 64, 64);
#else
    return aligned_alloc(64, (size_t)((bytes + 127) / 64 * 64));
#endif
}

void release(void *p) {
#if defined(_WIN32)
    _aligned_free(p);
#else
    free(p);
#endif
}

int open_prepared(prepared *p, int64_t columns, int64_t width) {
    p->floats = aligned(columns * width * 4);
    p->by32 = aligned(columns * (width / 32) * (int64_t)sizeof(column32));
    p->by256 = aligned(columns * (width / 256) * (int64_t)sizeof(column256));
    p->wide = aligned(columns / WIDE * (width / 256) * (int64_t)sizeof(wide256));
    return p->floats && p->by32 && p->by256 && p->wide;
}

void close_prepared(prepared *p) {
    release(p->floats);
    release(p->by32);
    release(p->by256);
    release(p->wide);
}

qc_context *qc_open(const qc_model *model, int32_t max_columns, int32_t threads) {
    qc_context *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    int64_t q = up_to_eight((int64_t)model->heads * model->head_dim), kv = up_to_eight((int64_t)model->kv_heads * model->head_dim);
    int64_t inner = mamba_inner(model), channels = mamba_channels(model);
    int64_t widest = most(most(model->hidden, model->intermediate), most(q, inner));
    c->model = model;
    c->wide_stride = up_to_eight(most(most(q + 2 * kv, model->intermediate), inner + channels + model->mamba_heads));
    c->mixed_stride = most(most(q, inner), model->hidden);
    c->counter_count = ((int64_t)model->layer_count + 1) * COUNTERS_A_LAYER;
    c->partials_size = (int64_t)model->heads * partial_floats(model) * 1024; /* half a million tokens */
    c->x = aligned((int64_t)max_columns * model->hidden * 4);
    c->wide = aligned(max_columns * c->wide_stride * 4);
    c->mixed = aligned(max_columns * c->mixed_stride * 4);
    c->conv = aligned(max_columns * channels * 4 + 4);
    c->angles = aligned((int64_t)max_columns * model->head_dim * 4 + 4);
    c->partials = aligned(c->partials_size * 4 + 4); /* touched only as far as a text is long */
    c->counters = calloc((size_t)c->counter_count, sizeof *c->counters);
    c->own = calloc((size_t)threads, sizeof *c->own);
    c->scratch = calloc((size_t)threads, sizeof *c->scratch);
    int whole = c->x && c->wide && c->mixed && c->conv && c->angles && c->partials && c->counters && c->own && c->scratch;
    whole = whole && open_prepared(&c->shared, max_columns, widest) && experts_open(&c->experts, model, max_columns);
    for (int32_t t = 0; whole && t < threads; t++) {
        c->prepared_threads = t + 1;
        c->scratch[t] = aligned(attention_scratch_floats(model) * 4 + 4);
        whole = open_prepared(&c->own[t], 1, widest) && c->scratch[t];
    }
    if (whole) c->pool = pool_open(threads);
    if (!c->pool) {
        qc_close(c);
        return NULL;
    }
    c->threads = pool_threads(c->pool);
    return c;
}

void qc_close(qc_context *c) {
    if (c->pool) pool_close(c->pool);
    for (int32_t t = 0; t < c->prepared_threads; t++) {
        close_prepared(&c->own[t]);
        release(c->scratch[t]);
    }
    close_prepared(&c->shared);
    experts_close(&c->experts);
    release(c->x);
    release(c->wide);
    release(c->mixed);
    release(c->conv);
    release(c->angles);
    release(c->partials);
    free(c->counters);
    free(c->own);
    free(c->scratch);
    free(c);
}

int32_t qc_abi(void) { return QC_ABI; }

int32_t qc_supported(void) {
#if defined(__AVX2__)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return 1;
#endif
}
