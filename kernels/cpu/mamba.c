/* Mamba-2 (Dao & Gu 2024), as in granitemoehybrid: convolution, selective state update, gated norm.
 *
 * A prompt is read token by token too. With 128 states the scan is a tenth of a layer's work on a CPU (two fused
 * multiply-adds a state against the projections' integer products), its state of one head stays in the first-level
 * cache, and then no chunk length exists that could change a bit: prompt, continuation and snapshot agree exactly. */
#include "mamba.h"

#include "simd.h"

enum { TOKENS = 32 }; /* of a scan at a time */

int64_t mamba_inner(const qc_model *model) { return (int64_t)model->mamba_heads * model->mamba_head_dim; }
int64_t mamba_channels(const qc_model *model) {
    return mamba_inner(model) + 2 * (int64_t)model->state_groups * model->state;
}

void convolve(const qc_model *model, const qc_layer *layer, int64_t first, int64_t last, int32_t count, const float *raw,
              int64_t stride, float *state, float *out, int64_t out_stride) {
    int64_t channels = mamba_channels(model);
    int taps = model->conv_width;
    for (int64_t c = first; c < last; c += 8) {
        for (int32_t i = 0; i < count; i++) {
            f8 sum = layer->conv_bias ? f8_load(layer->conv_bias + c) : f8_zero();
            for (int tap = 0; tap < taps; tap++) {
                int32_t from = i + tap - (taps - 1); /* before 0: columns of earlier steps */
                const float *column = from < 0 ? state + (from + taps - 1) * channels : raw + from * stride;
                sum = f8_fma(f8_load(layer->conv_weight + tap * channels + c), f8_load(column + c), sum);
            }
            f8_store(out + i * out_stride + c, f8_silu(sum));
        }
        for (int slot = 0; slot < taps - 1; slot++) { /* oldest first: a slot is read before it is overwritten */
            int32_t from = count + slot - (taps - 1);
            const float *column = from < 0 ? state + (from + taps - 1) * channels : raw + from * stride;
            f8_store(state + slot * channels + c, f8_load(column + c));
        }
    }
}

static float softplus(float x) { return x > 20.0f ? x : log1pf(expf(x)); }

/* Four vectors of a head's channels at a time: their state stays in the cache, their sums in registers. */
ALWAYS void scan_channels(const float *before, float *state, int64_t width, int64_t states, float decay, const float *b, const float *c,
                          const float *x, float step, float d, const int vectors, float *y) {
    f8 input[4], sum[4], fade = f8_set(decay);
    for (int v = 0; v < vectors; v++) {
        input[v] = f8_mul(f8_load(x + v * 8), f8_set(step));
        sum[v] = f8_zero();
    }
    for (int64_t n = 0; n < states; n++) {
        f8 b_n = f8_set(b[n]), c_n = f8_set(c[n]);
        int64_t row = n * width;
        for (int v = 0; v < vectors; v++) {
            f8 s = f8_fma(input[v], b_n, f8_mul(f8_load(before + row + v * 8), fade));
            f8_store(state + row + v * 8, s);
            sum[v] = f8_fma(s, c_n, sum[v]);
        }
    }
    for (int v = 0; v < vectors; v++) f8_store(y + v * 8, f8_fma(f8_load(x + v * 8), f8_set(d), sum[v]));
}

/* A few tokens at a time, and of the head a few channels through all of them: their state stays in the cache. */
void scan_head(const qc_model *model, const qc_layer *layer, int32_t head, int32_t count, const float *mixed,
               int64_t stride, const float *dt, int64_t dt_stride, const float *before, float *state, float *y,
               int64_t y_stride) {
    int64_t width = model->mamba_head_dim, inner = mamba_inner(model), states = model->state;
    int64_t group = head / (model->mamba_heads / model->state_groups), of_b = inner + group * states;
    float steps[TOKENS], decays[TOKENS];
    for (; count > 0; count -= TOKENS, mixed += TOKENS * stride, dt += TOKENS * dt_stride, y += TOKENS * y_stride) {
        int32_t tokens = count < TOKENS ? count : TOKENS;
        for (int32_t i = 0; i < tokens; i++) {
            float step = softplus(dt[i * dt_stride] + layer->dt_bias[head]);
            steps[i] = step < model->dt_low ? model->dt_low : step > model->dt_high ? model->dt_high : step;
            decays[i] = expf(steps[i] * layer->a[head]);
        }
        for (int64_t p = 0, vectors; p < width; p += 8 * vectors) {
            vectors = p + 32 <= width ? 4 : 1;
            for (int32_t i = 0; i < tokens; i++) {
                const float *x = mixed + i * stride + head * width + p, *b = mixed + i * stride + of_b;
                const float *c = b + model->state_groups * states, *from = (i ? state : before) + p;
                float *out = y + i * y_stride + head * width + p;
                if (vectors == 4)
                    scan_channels(from, state + p, width, states, decays[i], b, c, x, steps[i], layer->d[head], 4, out);
                else
                    scan_channels(from, state + p, width, states, decays[i], b, c, x, steps[i], layer->d[head], 1, out);
            }
        }
        before = state;
    }
}

void gated_norm(const qc_model *model, const qc_layer *layer, float *y, const float *gate) {
    int64_t width = mamba_inner(model) / model->state_groups;
    for (int64_t g = 0; g < model->state_groups; g++, y += width, gate += width) {
        f8 squares = f8_zero();
        for (int64_t i = 0; i < width; i += 8) {
            f8 value = f8_mul(f8_load(y + i), f8_silu(f8_load(gate + i)));
            f8_store(y + i, value);
            squares = f8_fma(value, value, squares);
        }
        f8 scale = f8_set(1.0f / sqrtf(f8_sum(squares) / (float)width + model->epsilon));
        const float *weight = layer->gate_norm + g * width;
        for (int64_t i = 0; i < width; i += 8) f8_store(y + i, f8_mul(f8_mul(f8_load(y + i), scale), f8_load(weight + i)));
    }
}
