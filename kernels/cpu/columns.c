/* Sharing matrix products and the preparation of their columns among threads. */
#include "context.h"

enum { TILE_BYTES = 24576 }; /* of weights: they stay in the first-level cache while all columns pass */

int64_t tile_groups(const qc_context *context, const qc_matrix *matrix, int64_t groups, int64_t columns, int64_t step) {
    int64_t bytes = matrix->columns / format_columns(matrix->format) * block_bytes(matrix->format);
    int64_t tile = most(TILE_BYTES / bytes, 1), fair = most(groups / (8 * context->threads), 1);
    /* Weights that all columns share in one pass come from memory once: they are read fastest in long runs, since each
     * run begins without what was fetched ahead. */
    tile = (columns <= TILE || fair < tile ? fair : tile) + step - 1;
    return tile - tile % step;
}

void multiply_share(walk *w, const qc_matrix *matrix, const inputs *in, int64_t columns, const outputs *out) {
    atomic_llong *next = counter(w);
    int64_t groups = (matrix->rows + 7) / 8, tile = tile_groups(w->context, matrix, groups, columns, out->swiglu ? 2 : 1);
    for (;;) {
        int64_t first = atomic_fetch_add(next, tile);
        if (first >= groups) return;
        multiply(matrix, first, first + tile < groups ? first + tile : groups, in, columns, out);
    }
}

static void rms_norm(const float *x, const float *weight, int64_t width, float epsilon, float *out) {
    f8 squares = f8_zero();
    for (int64_t i = 0; i < width; i += 8) squares = f8_fma(f8_load(x + i), f8_load(x + i), squares);
    f8 scale = f8_set(1.0f / sqrtf(f8_sum(squares) / (float)width + epsilon));
    for (int64_t i = 0; i < width; i += 8) f8_store(out + i, f8_mul(f8_mul(f8_load(x + i), scale), f8_load(weight + i)));
}

void round_column(const prepared *p, int64_t column, int64_t width, int wants) {
    const float *x = p->floats + column * width;
    if (wants & WANTS_32) quantise32(x, width, p->by32 + column * (width / 32));
    if (wants & WANTS_256) quantise256(x, width, p->by256 + column * (width / 256));
}

/* Threads write whole blocks: in parts of one they would pass its cache lines to and fro. */
static void widen(walk *w, const prepared *p, int64_t columns, int64_t blocks) {
    for (int64_t i = w->thread; i < columns / WIDE * blocks; i += w->context->threads) {
        int64_t sixteen = i / blocks, block = i % blocks;
        widen256(p->by256 + sixteen * WIDE * blocks + block, blocks, p->wide + i);
    }
}

inputs prepare(walk *w, const float *from, int64_t stride, const float *norm, int64_t width, int64_t columns, int wants) {
    qc_context *c = w->context;
    int alone = columns == 1;
    prepared *p = alone ? &c->own[w->thread] : &c->shared;
    for (int64_t i = alone ? 0 : w->thread; i < columns; i += alone ? 1 : c->threads) {
        float *to = p->floats + i * width;
        if (norm)
            rms_norm(from + i * stride, norm, width, c->model->epsilon, to);
        else
            memcpy(to, from + i * stride, (size_t)width * 4);
        round_column(p, i, width, wants);
    }
    if (!alone) barrier(w);
    int wide = takes_wide(columns, wants);
    if (wide) {
        widen(w, p, columns, width / 256);
        barrier(w);
    }
    return (inputs){p->floats, p->by32, p->by256, NULL, wide ? p->wide : NULL};
}
