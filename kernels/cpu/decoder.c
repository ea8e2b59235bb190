/* One step of a whole decoder: all threads go through the same phases, with a barrier where the next needs the last.
 * Matrix rows are dealt out in tiles as threads ask for them. */
#include "attention.h"
#include "context.h"
#include "mamba.h"
#include "pages.h"

enum { ATTENTION_COLUMNS = 8, SPLIT_FROM = 2 * QC_SEGMENT };

/* -- the parts of a layer ---------------------------------------------------------------------------------------- */

static void rotate(const qc_model *model, float *head, const float *angles) {
    int64_t half = model->head_dim / 2;
    const float *cosines = angles, *sines = angles + half;
    for (int64_t i = 0; i < half; i++) {
        int64_t a = model->rope == QC_ROPE_PAIRS ? 2 * i : i, b = model->rope == QC_ROPE_PAIRS ? 2 * i + 1 : i + half;
        float first = head[a], second = head[b];
        head[a] = first * cosines[i] - second * sines[i];
        head[b] = second * cosines[i] + first * sines[i];
    }
}

static uint8_t *const *pages_of(const qc_sequence *s, const qc_layer *layer) {
    return s->pages + (int64_t)layer->index * s->page_capacity;
}

static void rotate_and_append(walk *w, const qc_layer *layer) {
    qc_context *c = w->context;
    const qc_model *m = c->model;
    int64_t q_width = (int64_t)m->heads * m->head_dim, kv_width = (int64_t)m->kv_heads * m->head_dim;
    for (int32_t s = 0; s < c->batch->sequence_count; s++) {
        const qc_sequence *sequence = &c->batch->sequences[s];
        for (int32_t i = w->thread; i < sequence->count; i += c->threads) {
            int64_t column = sequence->start + i;
            float *q = c->wide + column * c->wide_stride, *k = q + up_to_eight(q_width), *v = k + up_to_eight(kv_width);
            if (m->rope != QC_NO_ROPE) {
                const float *angles = c->angles + column * m->head_dim;
                for (int32_t h = 0; h < m->heads; h++) rotate(m, q + (int64_t)h * m->head_dim, angles);
                for (int32_t h = 0; h < m->kv_heads; h++) rotate(m, k + (int64_t)h * m->head_dim, angles);
            }
            append_column(m, pages_of(sequence, layer), sequence->position + i, k, v);
        }
    }
}

static int64_t segments_of(const qc_sequence *s) { return s->position / QC_SEGMENT + 1; }

/* One token after a long text: segments of it are shared out. Gives the bits that `attend` gives. */
static void attend_in_segments(walk *w, const qc_layer *layer, const qc_sequence *s) {
    qc_context *c = w->context;
    const qc_model *m = c->model;
    int64_t segments = segments_of(s), size = m->heads / m->kv_heads * partial_floats(m);
    const float *queries = c->wide + s->start * c->wide_stride;
    atomic_llong *next = counter(w);
    for (;;) {
        int64_t item = atomic_fetch_add(next, 1);
        if (item >= segments * m->kv_heads) break;
        attend_segment(m, pages_of(s, layer), s->position, (int32_t)(item / segments), item % segments, queries,
                       c->partials + item * size, c->scratch[w->thread]);
    }
    barrier(w);
    for (int32_t h = w->thread; h < m->kv_heads; h += c->threads)
        combine_segments(m, segments, h, c->partials + h * segments * size, size, c->mixed + s->start * c->mixed_stride);
}

static int splits(const qc_context *c, const qc_sequence *s) {
    const qc_model *m = c->model;
    int64_t floats = segments_of(s) * m->heads * partial_floats(m);
    return c->threads > 1 && c->batch->columns == 1 && s->position >= SPLIT_FROM && floats <= c->partials_size;
}

static void attend_all(walk *w, const qc_layer *layer) {
    qc_context *c = w->context;
    const qc_model *m = c->model;
    if (splits(c, &c->batch->sequences[0])) {
        attend_in_segments(w, layer, &c->batch->sequences[0]);
        return;
    }
    atomic_llong *next = counter(w);
    int64_t before = 0, item = atomic_fetch_add(next, 1);
    for (int32_t s = 0; s < c->batch->sequence_count; s++) {
        const qc_sequence *sequence = &c->batch->sequences[s];
        int64_t blocks = (sequence->count + ATTENTION_COLUMNS - 1) / ATTENTION_COLUMNS, items = blocks * m->kv_heads;
        for (; item < before + items; item = atomic_fetch_add(next, 1)) {
            int64_t block = (item - before) / m->kv_heads, first = block * ATTENTION_COLUMNS, column = sequence->start + first;
            int64_t left = sequence->count - first;
            attend(m, pages_of(sequence, layer), sequence->position + first, (int32_t)((item - before) % m->kv_heads),
                   (int32_t)(left < ATTENTION_COLUMNS ? left : ATTENTION_COLUMNS), c->wide + column * c->wide_stride,
                   c->wide_stride, c->mixed + column * c->mixed_stride, c->mixed_stride, c->scratch[w->thread]);
        }
        before += items;
    }
}

static void attention_mixer(walk *w, const qc_layer *layer) {
    qc_context *c = w->context;
    const qc_model *m = c->model;
    int64_t columns = c->batch->columns, q_width = (int64_t)m->heads * m->head_dim, kv_width = (int64_t)m->kv_heads * m->head_dim;
    int wants = input_kind(layer->q.format) | input_kind(layer->k.format) | input_kind(layer->v.format);
    inputs in = prepare(w, c->x, m->hidden, layer->norm1, m->hidden, columns, wants);
    outputs q = {c->wide, c->wide_stride, 1.0f, 0, 0}, k = q, v = q;
    k.out += up_to_eight(q_width);
    v.out = k.out + up_to_eight(kv_width);
    multiply_share(w, &layer->q, &in, columns, &q);
    multiply_share(w, &layer->k, &in, columns, &k);
    multiply_share(w, &layer->v, &in, columns, &v);
    barrier(w);
    rotate_and_append(w, layer);
    barrier(w);
    attend_all(w, layer);
    barrier(w);
    in = prepare(w, c->mixed, c->mixed_stride, NULL, q_width, columns, input_kind(layer->o.format));
    outputs out = {c->x, m->hidden, m->residual_multiplier, 1, 0};
    multiply_share(w, &layer->o, &in, columns, &out);
}

static void mamba_mixer(walk *w, const qc_layer *layer) {
    qc_context *c = w->context;
    const qc_model *m = c->model;
    int64_t columns = c->batch->columns, inner = mamba_inner(m), channels = mamba_channels(m);
    inputs in = prepare(w, c->x, m->hidden, layer->norm1, m->hidden, columns, input_kind(layer->in_proj.format));
    outputs projected = {c->wide, c->wide_stride, 1.0f, 0, 0};
    multiply_share(w, &layer->in_proj, &in, columns, &projected);
    barrier(w);
    int64_t vectors = channels / 8, share = (vectors + c->threads - 1) / c->threads;
    int64_t first = w->thread * share * 8, last = first + share * 8 < channels ? first + share * 8 : channels;
    for (int32_t s = 0; s < c->batch->sequence_count; s++) {
        const qc_sequence *sequence = &c->batch->sequences[s];
        convolve(m, layer, first, last, sequence->count, c->wide + sequence->start * c->wide_stride + inner, c->wide_stride,
                 sequence->conv[layer->index], c->conv + sequence->start * channels, channels);
    }
    barrier(w);
    atomic_llong *next = counter(w);
    for (;;) {
        int64_t item = atomic_fetch_add(next, 1);
        if (item >= (int64_t)c->batch->sequence_count * m->mamba_heads) break;
        const qc_sequence *sequence = &c->batch->sequences[item / m->mamba_heads];
        int32_t head = (int32_t)(item % m->mamba_heads);
        float *wide = c->wide + sequence->start * c->wide_stride;
        int64_t at = (int64_t)head * m->state * m->mamba_head_dim;
        float *const *before = sequence->ssm_before ? sequence->ssm_before : sequence->ssm;
        scan_head(m, layer, head, sequence->count, c->conv + sequence->start * channels, channels,
                  wide + inner + channels + head, c->wide_stride,
                  before[layer->index] + at, sequence->ssm[layer->index] + at,
                  c->mixed + sequence->start * c->mixed_stride, c->mixed_stride);
    }
    barrier(w);
    /* One column: every thread norms it into its own place; several: each its share, where they stand. */
    float *y = c->mixed;
    int64_t stride = c->mixed_stride;
    if (columns == 1) {
        y = c->own[w->thread].floats;
        memcpy(y, c->mixed, (size_t)inner * 4);
        gated_norm(m, layer, y, c->wide);
        round_column(&c->own[w->thread], 0, inner, input_kind(layer->out_proj.format));
        in = (inputs){y, c->own[w->thread].by32, c->own[w->thread].by256, NULL, NULL};
    } else {
        for (int64_t i = w->thread; i < columns; i += c->threads) gated_norm(m, layer, y + i * stride, c->wide + i * c->wide_stride);
        in = prepare(w, y, stride, NULL, inner, columns, input_kind(layer->out_proj.format));
    }
    outputs out = {c->x, m->hidden, m->residual_multiplier, 1, 0};
    multiply_share(w, &layer->out_proj, &in, columns, &out);
}

static void feed_forward(walk *w, const qc_layer *layer) {
    qc_context *c = w->context;
    const qc_model *m = c->model;
    int64_t columns = c->batch->columns;
    inputs in = prepare(w, c->x, m->hidden, layer->norm2, m->hidden, columns, input_kind(layer->gate_up.format));
    outputs gated = {c->wide, c->wide_stride, 1.0f, 0, 1};
    multiply_share(w, &layer->gate_up, &in, columns, &gated);
    barrier(w);
    in = prepare(w, c->wide, c->wide_stride, NULL, m->intermediate, columns, input_kind(layer->down.format));
    outputs out = {c->x, m->hidden, m->residual_multiplier, 1, 0};
    multiply_share(w, &layer->down, &in, columns, &out);
}

/* -- a step ------------------------------------------------------------------------------------------------------ */

static void begin(walk *w) {
    qc_context *c = w->context;
    const qc_model *m = c->model;
    f8 factor = f8_set(m->embedding_multiplier);
    for (int32_t s = 0; s < c->batch->sequence_count; s++) {
        const qc_sequence *sequence = &c->batch->sequences[s];
        for (int32_t i = w->thread; i < sequence->count; i += c->threads) {
            int64_t column = sequence->start + i;
            float *x = c->x + column * m->hidden, *angles = c->angles + column * m->head_dim;
            qc_unpack_row(&m->embed, c->batch->tokens[column], x);
            for (int32_t d = 0; d < m->hidden; d += 8) f8_store(x + d, f8_mul(f8_load(x + d), factor));
            if (m->rope == QC_NO_ROPE) continue;
            for (int32_t d = 0; d < m->head_dim / 2; d++) {
                double angle = (double)(sequence->position + i) * m->inverse_frequencies[d];
                angles[d] = (float)cos(angle);
                angles[d + m->head_dim / 2] = (float)sin(angle);
            }
        }
    }
    barrier(w);
}

static void end(walk *w) {
    qc_context *c = w->context;
    const qc_model *m = c->model;
    int64_t columns = c->batch->logit_count;
    if (!columns) return;
    /* The columns asked for, beside each other in `mixed`. */
    for (int64_t i = w->thread; i < columns; i += c->threads)
        memcpy(c->mixed + i * m->hidden, c->x + (int64_t)c->batch->logit_columns[i] * m->hidden, (size_t)m->hidden * 4);
    barrier(w);
    inputs in = prepare(w, c->mixed, m->hidden, m->norm, m->hidden, columns, input_kind(m->head.format));
    outputs out = {c->batch->logits, up_to_eight(m->vocabulary), 1.0f / m->logits_divisor, 0, 0};
    multiply_share(w, &m->head, &in, columns, &out);
}

static void step_thread(void *argument, int32_t thread) {
    walk w = {argument, thread, 0};
    begin(&w);
    const qc_model *m = w.context->model;
    for (int32_t i = 0; i < m->layer_count; i++) {
        const qc_layer *layer = &m->layers[i];
        w.counter = (int64_t)i * COUNTERS_A_LAYER;
        if (layer->kind == QC_MAMBA)
            mamba_mixer(&w, layer);
        else
            attention_mixer(&w, layer);
        barrier(&w);
        if (m->experts)
            mix_experts(&w, layer);
        else
            feed_forward(&w, layer);
        barrier(&w);
    }
    w.counter = (int64_t)m->layer_count * COUNTERS_A_LAYER;
    end(&w);
}

static void run(qc_context *context, void (*work)(void *, int32_t), void *argument) {
    for (int64_t i = 0; i < context->counter_count; i++) atomic_store_explicit(&context->counters[i], 0, memory_order_relaxed);
    pool_run(context->pool, work, argument);
}

void qc_step(qc_context *context, const qc_batch *batch) {
    context->batch = batch;
    run(context, step_thread, context);
}

typedef struct {
    qc_context *context;
    const qc_matrix *matrix;
    const float *input;
    float *out;
    int32_t columns;
} linear_task;

static void linear_thread(void *argument, int32_t thread) {
    linear_task *task = argument;
    walk w = {task->context, thread, 0};
    inputs in = prepare(&w, task->input, task->matrix->columns, NULL, task->matrix->columns, task->columns,
                        input_kind(task->matrix->format));
    outputs out = {task->out, up_to_eight(task->matrix->rows), 1.0f, 0, 0};
    multiply_share(&w, task->matrix, &in, task->columns, &out);
}

void qc_linear(qc_context *context, const qc_matrix *matrix, const float *input, int32_t columns, float *out) {
    linear_task task = {context, matrix, input, out, columns};
    run(context, linear_thread, &task);
}
