/* Attention over paged keys and values with running softmax (Milakov & Gimelshein 2018; FlashAttention).
 *
 * Scores are summed page by page within a segment of 512 tokens, segments one after another; both lie on absolute
 * positions, so a long context can be shared among threads by segments and gives the bits of one thread. All query heads
 * of a key-value head share each load and its conversion to float32. */
#include "attention.h"

#include "pages.h"

enum { ROWS = 6, MOST_ROWS = 30 }; /* query rows in registers; query rows of one call */

int64_t partial_floats(const qc_model *model) { return 8 + model->head_dim; }
int64_t attention_scratch_floats(const qc_model *model) {
    return MOST_ROWS * (QC_PAGE + 2 * partial_floats(model));
}

/* scores[row][64] of up to six query rows; `ahead` is fetched meanwhile, as many bytes as `k` has. */
ALWAYS void page_scores(const uint8_t *k, const int32_t format, int64_t width, const float *const *q, const int rows, f8 scale,
                        float *scores, const uint8_t *ahead) {
    const int vectors = rows > 3 ? 2 : 4; /* as many sums as registers hold */
    const int64_t fetched = cached_bytes(format) * vectors * 8;
    for (int at = 0; at < QC_PAGE; at += 8 * vectors) {
        f8 sums[ROWS][4];
        for (int r = 0; r < rows; r++)
            for (int v = 0; v < vectors; v++) sums[r][v] = f8_zero();
        for (int64_t d = 0; d < width; d++) {
            for (int64_t line = 0; line < fetched; line += 64) __builtin_prefetch(ahead + line);
            ahead += fetched;
            /* Sixteen registers: the fewer of keys and queries are loaded first, the others one by one. */
            f8 key[2], query[3];
            if (rows > 3) {
                for (int v = 0; v < 2; v++) key[v] = cached(k, d * QC_PAGE + at + 8 * v, format);
                for (int r = 0; r < rows; r++) {
                    f8 each = f8_set(q[r][d]);
                    for (int v = 0; v < 2; v++) sums[r][v] = f8_fma(each, key[v], sums[r][v]);
                }
            } else {
                for (int r = 0; r < rows; r++) query[r] = f8_set(q[r][d]);
                for (int v = 0; v < 4; v++) {
                    f8 each = cached(k, d * QC_PAGE + at + 8 * v, format);
                    for (int r = 0; r < rows; r++) sums[r][v] = f8_fma(query[r], each, sums[r][v]);
                }
            }
        }
        for (int r = 0; r < rows; r++)
            for (int v = 0; v < vectors; v++) f8_store(scores + r * QC_PAGE + at + 8 * v, f8_mul(sums[r][v], scale));
    }
}

/* Add a page's weighted values to up to six rows' sums; `ahead` is fetched meanwhile. */
ALWAYS void page_values(const uint8_t *v, const int32_t format, int64_t width, int count, const float *weights, const int rows,
                        float *const *sums, const uint8_t *ahead) {
    const int64_t fetched = cached_bytes(format) * 16;
    int64_t d = 0;
    for (; d + 16 <= width; d += 16) {
        f8 low[ROWS], high[ROWS];
        for (int r = 0; r < rows; r++) low[r] = f8_load(sums[r] + d), high[r] = f8_load(sums[r] + d + 8);
        for (int j = 0; j < count; j++) {
            __builtin_prefetch(ahead);
            ahead += fetched;
            f8 v0 = cached(v, j * width + d, format), v1 = cached(v, j * width + d + 8, format);
            for (int r = 0; r < rows; r++) {
                f8 weight = f8_set(weights[r * QC_PAGE + j]);
                low[r] = f8_fma(weight, v0, low[r]);
                high[r] = f8_fma(weight, v1, high[r]);
            }
        }
        for (int r = 0; r < rows; r++) f8_store(sums[r] + d, low[r]), f8_store(sums[r] + d + 8, high[r]);
    }
    for (; d < width; d += 8) {
        f8 sum[ROWS];
        for (int r = 0; r < rows; r++) sum[r] = f8_load(sums[r] + d);
        for (int j = 0; j < count; j++) {
            f8 value = cached(v, j * width + d, format);
            for (int r = 0; r < rows; r++) sum[r] = f8_fma(f8_set(weights[r * QC_PAGE + j]), value, sum[r]);
        }
        for (int r = 0; r < rows; r++) f8_store(sums[r] + d, sum[r]);
    }
}

#define EACH_ROWS(format, rows, call)                                                                                  \
    switch (rows) {                                                                                                    \
    case 1: call(format, 1); break;                                                                                    \
    case 2: call(format, 2); break;                                                                                    \
    case 3: call(format, 3); break;                                                                                    \
    case 4: call(format, 4); break;                                                                                    \
    case 5: call(format, 5); break;                                                                                    \
    default: call(format, 6);                                                                                          \
    }
#define EACH_KIND(format, rows, call)                                                                                  \
    switch (format) {                                                                                                  \
    case QC_F32: EACH_ROWS(QC_F32, rows, call) break;                                                                  \
    case QC_F16: EACH_ROWS(QC_F16, rows, call) break;                                                                  \
    default: EACH_ROWS(QC_Q8_0, rows, call)                                                                            \
    }

static void tile_scores(const qc_model *model, const uint8_t *k, const float *const *q, int rows, f8 scale, float *scores,
                        const uint8_t *ahead) {
#define CALL(format, n) page_scores(k, format, model->head_dim, q, n, scale, scores, ahead)
    EACH_KIND(model->kv_format, rows, CALL)
#undef CALL
}

static void tile_values(const qc_model *model, const uint8_t *v, int count, const float *weights, int rows,
                        float *const *sums, const uint8_t *ahead) {
#define CALL(format, n) page_values(v, format, model->head_dim, count, weights, n, sums, ahead)
    EACH_KIND(model->kv_format, rows, CALL)
#undef CALL
}

/* The 64 scores or weights of a row, each times its token's scale. */
static void rescale(float *scores, const float *scales) {
    for (int j = 0; j < QC_PAGE; j += 8) f8_store(scores + j, f8_mul(f8_load(scores + j), f8_load(scales + j)));
}

static float exp_of(float x) {
    float v[8];
    f8_store(v, f8_exp(f8_set(x)));
    return v[0];
}

static void clear(float *partial, int64_t width) {
    partial[0] = -INFINITY;
    partial[1] = 0.0f;
    memset(partial + 8, 0, (size_t)width * 4);
}

/* Turn a row's scores into weights against the highest so far; `visible` of 64 count. */
static void weigh(float *scores, int visible, float *partial, int64_t width) {
    for (int j = visible; j < QC_PAGE; j++) scores[j] = -INFINITY;
    f8 most = f8_load(scores);
    for (int j = 8; j < QC_PAGE; j += 8) most = f8_max(most, f8_load(scores + j));
    float before = partial[0], highest = f8_highest(most);
    highest = highest > before ? highest : before;
    f8 total = f8_zero(), top = f8_set(highest);
    for (int j = 0; j < QC_PAGE; j += 8) {
        f8 weight = f8_exp(f8_sub(f8_load(scores + j), top));
        f8_store(scores + j, weight);
        total = f8_add(total, weight);
    }
    float fade = exp_of(before - highest);
    partial[0] = highest;
    partial[1] = fmaf(partial[1], fade, f8_sum(total));
    if (fade != 1.0f)
        for (int64_t d = 0; d < width; d += 8) f8_store(partial + 8 + d, f8_mul(f8_load(partial + 8 + d), f8_set(fade)));
}

/* One page for `rows` query rows, row r seeing visible[r] of its tokens. A cached context is read once a token and comes
 * from memory, in pages that no hardware prefetcher links: the values are fetched while keys are multiplied, the `next`
 * page's keys while values are (half the time of decoding at 4,096 tokens, docs/bench/cpu.md). */
static void visit_page(const qc_model *model, const uint8_t *page, const uint8_t *next, int32_t kv_head, int rows,
                       const float *const *q, const int *visible, float *scores, float *const *partials) {
    int64_t width = model->head_dim, plane = plane_bytes(model), values = model->kv_heads + kv_head;
    const uint8_t *k = page + kv_head * plane, *v = page + values * plane;
    int scaled = model->kv_format == QC_Q8_0;
    f8 scale = f8_set(model->attention_multiplier);
    for (int first = 0; first < rows; first += ROWS) {
        int n = rows - first < ROWS ? rows - first : ROWS, count = 0;
        float *tile = scores + first * QC_PAGE, *sums[ROWS];
        tile_scores(model, k, q + first, n, scale, tile, v);
        for (int r = 0; r < n; r++) {
            sums[r] = partials[first + r] + 8;
            if (visible[first + r] > 0) {
                if (scaled) rescale(tile + r * QC_PAGE, scales_of(model, page, kv_head));
                weigh(tile + r * QC_PAGE, visible[first + r], partials[first + r], width);
                if (scaled) rescale(tile + r * QC_PAGE, scales_of(model, page, values));
                if (visible[first + r] > count) count = visible[first + r];
            } else {
                memset(tile + r * QC_PAGE, 0, QC_PAGE * 4); /* adds zeros, which changes no bit */
            }
        }
        tile_values(model, v, count, tile, n, sums, next + kv_head * plane);
    }
}

/* Fold a segment's partial sum into the total of those before it. */
static void fold(float *total, const float *partial, int64_t width) {
    float highest = total[0] > partial[0] ? total[0] : partial[0];
    float old = exp_of(total[0] - highest), fresh = exp_of(partial[0] - highest);
    total[0] = highest;
    total[1] = fmaf(total[1], old, partial[1] * fresh);
    for (int64_t d = 0; d < width; d += 8) {
        f8 added = f8_mul(f8_load(partial + 8 + d), f8_set(fresh));
        f8_store(total + 8 + d, f8_fma(f8_load(total + 8 + d), f8_set(old), added));
    }
}

static void divide(const float *total, int64_t width, float *out) {
    f8 inverse = f8_set(1.0f / total[1]);
    for (int64_t d = 0; d < width; d += 8) f8_store(out + d, f8_mul(f8_load(total + 8 + d), inverse));
}

static int seen(int64_t position, int64_t page) { /* tokens of a page that a query at `position` sees */
    int64_t count = position + 1 - page * QC_PAGE;
    return count < 0 ? 0 : count > QC_PAGE ? QC_PAGE : (int)count;
}

/* All pages of a segment up to `last`, the highest position of any row. */
static void visit_segment(const qc_model *model, uint8_t *const *pages, int32_t kv_head, int64_t segment, int64_t last,
                          int rows, const int64_t *positions, const float *const *q, float *scores, float *const *partials) {
    int64_t first = segment * (QC_SEGMENT / QC_PAGE), end = first + QC_SEGMENT / QC_PAGE;
    int visible[MOST_ROWS];
    for (int64_t page = first; page < end && page * QC_PAGE <= last; page++) {
        for (int r = 0; r < rows; r++) visible[r] = seen(positions[r], page);
        int64_t next = (page + 1) * QC_PAGE <= last ? page + 1 : page;
        visit_page(model, pages[page], pages[next], kv_head, rows, q, visible, scores, partials);
    }
}

void attend(const qc_model *model, uint8_t *const *pages, int64_t position, int32_t kv_head, int32_t columns,
            const float *queries, int64_t stride, float *out, int64_t out_stride, float *scratch) {
    int64_t width = model->head_dim, size = partial_floats(model);
    int group = model->heads / model->kv_heads, at_once = MOST_ROWS / group ? MOST_ROWS / group : 1;
    for (int32_t first = 0; first < columns; first += at_once) {
        int taken = columns - first < at_once ? columns - first : at_once;
        /* A group of more than MOST_ROWS heads goes through in slices of it. */
        for (int slice = 0; slice < group; slice += MOST_ROWS) {
            int heads = group - slice < MOST_ROWS ? group - slice : MOST_ROWS, rows = taken * heads;
            const float *q[MOST_ROWS];
            float *partials[MOST_ROWS], *totals[MOST_ROWS], *results[MOST_ROWS];
            int64_t positions[MOST_ROWS], last = position + first + taken - 1;
            for (int r = 0; r < rows; r++) {
                int64_t column = first + r / heads, head = (int64_t)kv_head * group + slice + r % heads;
                q[r] = queries + column * stride + head * width;
                results[r] = out + column * out_stride + head * width;
                positions[r] = position + column;
                partials[r] = scratch + MOST_ROWS * QC_PAGE + r * 2 * size;
                totals[r] = partials[r] + size;
                clear(totals[r], width);
            }
            for (int64_t segment = 0; segment * QC_SEGMENT <= last; segment++) {
                for (int r = 0; r < rows; r++) clear(partials[r], width);
                visit_segment(model, pages, kv_head, segment, last, rows, positions, q, scratch, partials);
                for (int r = 0; r < rows; r++)
                    if (positions[r] >= segment * QC_SEGMENT) fold(totals[r], partials[r], width);
            }
            for (int r = 0; r < rows; r++) divide(totals[r], width, results[r]);
        }
    }
}

void attend_segment(const qc_model *model, uint8_t *const *pages, int64_t position, int32_t kv_head, int64_t segment,
                    const float *queries, float *partials, float *scratch) {
    int64_t width = model->head_dim, size = partial_floats(model);
    int group = model->heads / model->kv_heads;
    for (int slice = 0; slice < group; slice += MOST_ROWS) {
        int rows = group - slice < MOST_ROWS ? group - slice : MOST_ROWS;
        const float *q[MOST_ROWS];
        float *sums[MOST_ROWS];
        int64_t positions[MOST_ROWS];
        for (int r = 0; r < rows; r++) {
            q[r] = queries + ((int64_t)kv_head * group + slice + r) * width;
            sums[r] = partials + (slice + r) * size;
            positions[r] = position;
            clear(sums[r], width);
        }
        visit_segment(model, pages, kv_head, segment, position, rows, positions, q, scratch, sums);
    }
}

void combine_segments(const qc_model *model, int64_t segments, int32_t kv_head, const float *partials, int64_t stride,
                      float *out) {
    int64_t width = model->head_dim, size = partial_floats(model);
    int group = model->heads / model->kv_heads;
    float total[8 + 1024];
    for (int g = 0; g < group; g++) {
        clear(total, width);
        for (int64_t s = 0; s < segments; s++) fold(total, partials + s * stride + g * size, width);
        divide(total, width, out + ((int64_t)kv_head * group + g) * width);
    }
}
