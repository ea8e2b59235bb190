/* A mixture of experts beside the shared feed-forward part (Granite: the k highest scores, softmax over those alone).
 *
 * Columns are sorted by expert, so that an expert's weights are read once for all its columns. Each column's experts are
 * added in the order of their scores: who else uses an expert changes no bit. */
#include "context.h"

/* The column's `used` highest scores, highest first (of equal ones the lower expert), and their softmax. */
static void choose(const qc_model *model, const float *scores, int32_t *chosen, float *weights) {
    float total = 0.0f;
    for (int32_t k = 0; k < model->experts_used; k++) {
        int32_t best = -1;
        for (int32_t e = 0; e < model->experts; e++) {
            int taken = 0;
            for (int32_t before = 0; before < k; before++) taken |= chosen[before] == e;
            if (!taken && (best < 0 || scores[e] > scores[best])) best = e;
        }
        chosen[k] = best;
        weights[k] = expf(scores[best] - scores[chosen[0]]);
        total += weights[k];
    }
    for (int32_t k = 0; k < model->experts_used; k++) weights[k] /= total;
}

/* Sort the pairs by expert. */
static void group_by_expert(const qc_model *model, expert_memory *m, int64_t columns) {
    int32_t pair = 0;
    m->active_count = 0;
    for (int32_t e = 0; e < model->experts; e++) {
        int32_t first = pair;
        for (int64_t i = 0; i < columns * model->experts_used; i++) {
            if (m->chosen[i] != e) continue;
            m->columns[pair] = (int32_t)(i / model->experts_used);
            m->places[i] = pair++;
        }
        if (pair == first) continue;
        m->active[m->active_count] = e;
        m->begins[m->active_count++] = first;
    }
    m->begins[m->active_count] = pair;
}

/* All active experts' products: `matrix` holds every expert's, one after another. Outputs are pairs; so are inputs, but
 * for those of the first product, which `in->which` finds among the columns. */
static void multiply_experts(walk *w, const qc_matrix *matrix, const inputs *in, const outputs *out) {
    const expert_memory *m = &w->context->experts;
    int64_t rows = matrix->rows / w->context->model->experts, groups = rows / 8, width = matrix->columns;
    int64_t bytes = width / format_columns(matrix->format) * block_bytes(matrix->format);
    int64_t columns = w->context->batch->columns; /* at most so many share an expert */
    int64_t tile = tile_groups(w->context, matrix, m->active_count * groups, columns, out->swiglu ? 2 : 1);
    if (tile > groups) tile = groups;
    int64_t tiles = (groups + tile - 1) / tile;
    atomic_llong *next = counter(w);
    for (;;) {
        int64_t item = atomic_fetch_add(next, 1), a = item / tiles, first = item % tiles * tile;
        if (a >= m->active_count) return;
        qc_matrix expert = *matrix;
        expert.data += m->active[a] * groups * bytes;
        expert.rows = rows;
        int64_t begin = m->begins[a];
        inputs its = *in;
        if (its.which) {
            its.which += begin;
        } else {
            its.floats += begin * width;
            its.by32 += begin * (width / 32);
            its.by256 += begin * (width / 256);
        }
        outputs to = *out;
        to.out += begin * to.stride;
        multiply(&expert, first, first + tile < groups ? first + tile : groups, &its, m->begins[a + 1] - begin, &to);
    }
}

/* Add each column's experts, the likeliest first, to the residual stream. */
static void add_experts(walk *w) {
    qc_context *c = w->context;
    const qc_model *model = c->model;
    const expert_memory *m = &c->experts;
    for (int64_t i = w->thread; i < c->batch->columns; i += c->threads) {
        float *x = c->x + i * model->hidden;
        for (int64_t d = 0; d < model->hidden; d += 8) {
            f8 mixed = f8_zero();
            for (int32_t k = 0; k < model->experts_used; k++) {
                int64_t at = i * model->experts_used + k;
                f8 part = f8_load(m->out + (int64_t)m->places[at] * model->hidden + d);
                mixed = f8_fma(part, f8_set(m->weights[at]), mixed);
            }
            f8_store(x + d, f8_fma(mixed, f8_set(model->residual_multiplier), f8_load(x + d)));
        }
    }
}

void mix_experts(walk *w, const qc_layer *layer) {
    qc_context *c = w->context;
    const qc_model *model = c->model;
    expert_memory *m = &c->experts;
    int64_t columns = c->batch->columns, used = model->experts_used, inner = model->expert_intermediate;
    int64_t score_stride = up_to_eight(model->experts);
    int shared = model->intermediate > 0;
    int wants = input_kind(layer->router.format) | input_kind(layer->expert_gate_up.format);
    if (shared) wants |= input_kind(layer->gate_up.format);
    inputs in = prepare(w, c->x, model->hidden, layer->norm2, model->hidden, columns, wants);
    outputs scores = {m->scores, score_stride, 1.0f, 0, 0}, gated = {c->wide, c->wide_stride, 1.0f, 0, 1};
    multiply_share(w, &layer->router, &in, columns, &scores);
    if (shared) multiply_share(w, &layer->gate_up, &in, columns, &gated);
    barrier(w);
    for (int64_t i = w->thread; i < columns; i += c->threads)
        choose(model, m->scores + i * score_stride, m->chosen + i * used, m->weights + i * used);
    barrier(w);
    if (w->thread == 0) group_by_expert(model, m, columns);
    barrier(w);
    in.which = m->columns;
    outputs gated_pairs = {m->gated, inner, 1.0f, 0, 1};
    multiply_experts(w, &layer->expert_gate_up, &in, &gated_pairs);
    barrier(w);
    for (int64_t i = w->thread; i < columns * used; i += c->threads) {
        memcpy(m->pairs.floats + i * inner, m->gated + i * inner, (size_t)inner * 4);
        round_column(&m->pairs, i, inner, input_kind(layer->expert_down.format));
    }
    barrier(w);
    inputs its = {m->pairs.floats, m->pairs.by32, m->pairs.by256, NULL, NULL};
    outputs each = {m->out, model->hidden, 1.0f, 0, 0}, sum = {c->x, model->hidden, model->residual_multiplier, 1, 0};
    multiply_experts(w, &layer->expert_down, &its, &each);
    if (shared) {
        in = prepare(w, c->wide, c->wide_stride, NULL, model->intermediate, columns, input_kind(layer->down.format));
        multiply_share(w, &layer->down, &in, columns, &sum);
    }
    barrier(w);
    add_experts(w);
}

int experts_open(expert_memory *m, const qc_model *model, int64_t columns) {
    if (!model->experts) return 1;
    int64_t pairs = columns * model->experts_used;
    m->scores = aligned(columns * up_to_eight(model->experts) * 4);
    m->weights = aligned(pairs * 4);
    m->chosen = aligned(pairs * 4);
    m->columns = aligned(pairs * 4);
    m->places = aligned(pairs * 4);
    m->begins = aligned(((int64_t)model->experts + 1) * 4);
    m->active = aligned((int64_t)model->experts * 4);
    m->gated = aligned(pairs * model->expert_intermediate * 4);
    m->out = aligned(pairs * model->hidden * 4);
    return m->scores && m->weights && m->chosen && m->columns && m->places && m->begins && m->active && m->gated &&
           m->out && open_prepared(&m->pairs, pairs, model->expert_intermediate);
}

void experts_close(expert_memory *m) {
    release(m->scores);
    release(m->weights);
    release(m->chosen);
    release(m->columns);
    release(m->places);
    release(m->begins);
    release(m->active);
    release(m->gated);
    release(m->out);
    close_prepared(&m->pairs);
}
