/* Numbers to blocks as a GGUF file stores them (layouts: ggml/src/ggml-common.h).
 *
 * Q8_0 and Q5_0 take their scale from the block's largest number, as ggml's reference does, bit for bit. The K formats
 * search: for every sub-block a row of scales around the largest number's is tried, each is refined by least squares
 * for the numbers that it gives, and the one with the least weighted squared error stays. Large weights count for more,
 * since what they are multiplied with shows most. */
#include "formats.h"

enum { SUPER = 256 }; /* numbers in a block of the K formats */

static float at_half(uint8_t *out, float value) { /* stored, and what it reads back as */
    uint16_t half = float_to_half(value);
    memcpy(out, &half, 2);
    return half_to_float(half);
}

static float inverse(float value) { return value != 0.0f ? 1.0f / value : 0.0f; }

ALWAYS f8 f8_clamp(f8 x, float low, float high) { return f8_min(f8_max(x, f8_set(low)), f8_set(high)); }

/* The number farthest from 0, with its sign; the first of several. */
static float farthest(const float *x, int count) {
    float found = 0.0f;
    for (int i = 0; i < count; i++)
        if (fabsf(x[i]) > fabsf(found)) found = x[i];
    return found;
}

static void block_q8_0(const float *x, uint8_t *out) {
    float d = fabsf(farthest(x, 32)) / 127.0f, factor = inverse(d);
    at_half(out, d);
    for (int i = 0; i < 32; i++) out[2 + i] = (uint8_t)(int8_t)roundf(x[i] * factor);
}

static void block_q5_0(const float *x, uint8_t *out) {
    float d = farthest(x, 32) / -16.0f, factor = inverse(d);
    memset(out + 2, 0, 20);
    at_half(out, d);
    for (int i = 0; i < 32; i++) {
        int number = (int)(x[i] * factor + 16.5f);
        number = number < 31 ? number : 31;
        out[6 + i % 16] |= (uint8_t)((number & 15) << (i < 16 ? 0 : 4));
        out[2 + i / 8] |= (uint8_t)(number >> 4 << i % 8);
    }
}

/* -- Q4_K: x = scale * number - minimum, numbers from 0 to 15 ----------------------------------------------------- */

typedef struct {
    float scale, minimum; /* the minimum's sign is turned: it is never below 0 */
} affine;

typedef struct { /* one sub-block of 32 and how much each number counts */
    f8 x[4], weight[4];
    float low, high; /* low is never above 0 */
    float weights, weighted;
} sub_block32;

static sub_block32 load_sub_block(const float *x) {
    sub_block32 s;
    f8 squares = f8_zero(), low = f8_zero(), high = f8_load(x), weights = f8_zero(), weighted = f8_zero();
    for (int v = 0; v < 4; v++) {
        s.x[v] = f8_load(x + v * 8);
        squares = f8_fma(s.x[v], s.x[v], squares);
        low = f8_min(low, s.x[v]);
        high = f8_max(high, s.x[v]);
    }
    f8 size = f8_set(sqrtf(f8_sum(squares) / 32.0f));
    for (int v = 0; v < 4; v++) {
        s.weight[v] = f8_add(size, f8_abs(s.x[v]));
        weights = f8_add(weights, s.weight[v]);
        weighted = f8_fma(s.weight[v], s.x[v], weighted);
    }
    s.low = -f8_highest(f8_sub(f8_zero(), low));
    s.high = f8_highest(high);
    s.weights = f8_sum(weights);
    s.weighted = f8_sum(weighted);
    return s;
}

ALWAYS f8 number_of(f8 x, float minimum, float factor) {
    return f8_clamp(f8_round(f8_mul(f8_add(x, f8_set(minimum)), f8_set(factor))), 0.0f, 15.0f);
}

/* The weighted squared error of rounding with `minimum` and `factor` and reading back as `back` says. */
static float error_of(const sub_block32 *s, float minimum, float factor, affine back) {
    f8 sum = f8_zero();
    for (int v = 0; v < 4; v++) {
        f8 read = f8_fma(number_of(s->x[v], minimum, factor), f8_set(back.scale), f8_set(-back.minimum));
        f8 off = f8_sub(read, s->x[v]);
        sum = f8_fma(f8_mul(s->weight[v], off), off, sum);
    }
    return f8_sum(sum);
}

/* Scale and minimum of least error for the numbers that `factor` gives. */
static affine fit(const sub_block32 *s, float factor) {
    f8 q1 = f8_zero(), q2 = f8_zero(), qx = f8_zero();
    for (int v = 0; v < 4; v++) {
        f8 number = number_of(s->x[v], -s->low, factor), heavy = f8_mul(s->weight[v], number);
        q1 = f8_add(q1, heavy);
        q2 = f8_fma(heavy, number, q2);
        qx = f8_fma(heavy, s->x[v], qx);
    }
    float numbers = f8_sum(q1), squares = f8_sum(q2), products = f8_sum(qx);
    float determinant = s->weights * squares - numbers * numbers;
    if (determinant <= 2e-6f * s->weights * squares) return (affine){products / squares, 0.0f}; /* all one number */
    float minimum = (numbers * products - squares * s->weighted) / determinant;
    if (minimum < 0.0f) return (affine){products / squares, 0.0f};
    return (affine){(s->weights * products - numbers * s->weighted) / determinant, minimum};
}

static affine best_affine(const sub_block32 *s) {
    if (s->high <= s->low) return (affine){0.0f, -s->low};
    affine best = {0.0f, 0.0f};
    float least = INFINITY;
    for (int step = -10; step <= 10; step++) {
        float factor = (15.0f + 0.1f * (float)step) / (s->high - s->low);
        affine candidate = fit(s, factor);
        float error = error_of(s, -s->low, factor, candidate);
        if (error < least && candidate.scale >= 0.0f) {
            least = error;
            best = candidate;
        }
    }
    return best;
}

/* The 6-bit codes of scale and minimum: the nearest ones or, where that loses less, their neighbours. */
static void choose_codes(const sub_block32 *s, affine wanted, float d, float dmin, int *scale, int *minimum) {
    /* A half so small that it keeps few bits may be less than its 63rd part. */
    int near = (int)lrintf(fminf(wanted.scale * inverse(d), 63.0f));
    int near_minimum = (int)lrintf(fminf(wanted.minimum * inverse(dmin), 63.0f));
    float least = INFINITY;
    for (int c = near - 1; c <= near + 1; c++)
        for (int m = near_minimum - 1; m <= near_minimum + 1; m++) {
            if (c < 0 || c > 63 || m < 0 || m > 63) continue;
            affine read = {d * (float)c, dmin * (float)m};
            float error = error_of(s, read.minimum, inverse(read.scale), read);
            if (error >= least) continue;
            least = error;
            *scale = c;
            *minimum = m;
        }
}

static void block_q4_k(const float *x, uint8_t *out) {
    sub_block32 s[8];
    affine found[8];
    float scale = 0.0f, minimum = 0.0f;
    for (int j = 0; j < 8; j++) {
        s[j] = load_sub_block(x + j * 32);
        found[j] = best_affine(&s[j]);
        scale = found[j].scale > scale ? found[j].scale : scale;
        minimum = found[j].minimum > minimum ? found[j].minimum : minimum;
    }
    float d = at_half(out, scale / 63.0f), dmin = at_half(out + 2, minimum / 63.0f);
    memset(out + 4, 0, 12 + 128);
    for (int j = 0; j < 8; j++) {
        int scale_code = 0, minimum_code = 0;
        choose_codes(&s[j], found[j], d, dmin, &scale_code, &minimum_code);
        if (j < 4) {
            out[4 + j] |= (uint8_t)scale_code;
            out[8 + j] |= (uint8_t)minimum_code;
        } else {
            out[8 + j] |= (uint8_t)((scale_code & 15) | (minimum_code & 15) << 4);
            out[j] |= (uint8_t)(scale_code >> 4 << 6);
            out[4 + j] |= (uint8_t)(minimum_code >> 4 << 6);
        }
        float numbers[8];
        for (int v = 0; v < 4; v++) {
            f8_store(numbers, number_of(s[j].x[v], dmin * (float)minimum_code, inverse(d * (float)scale_code)));
            uint8_t *bytes = out + 16 + j / 2 * 32 + v * 8;
            for (int i = 0; i < 8; i++) bytes[i] |= (uint8_t)((int)numbers[i] << j % 2 * 4);
        }
    }
}

/* -- Q6_K: x = scale * number, numbers from -32 to 31 ------------------------------------------------------------- */

/* The scale of 16 numbers; each counts by its square. */
static float best_scale(const float *x) {
    float end = farthest(x, 16), best = 0.0f, most = 0.0f;
    if (end == 0.0f) return 0.0f;
    f8 values[2] = {f8_load(x), f8_load(x + 8)};
    for (int step = -9; step <= 9; step++) {
        f8 factor = f8_set(-(32.0f + 0.1f * (float)step) / end), q2 = f8_zero(), qx = f8_zero();
        for (int v = 0; v < 2; v++) {
            f8 number = f8_clamp(f8_round(f8_mul(values[v], factor)), -32.0f, 31.0f);
            f8 heavy = f8_mul(f8_mul(values[v], values[v]), number);
            q2 = f8_fma(heavy, number, q2);
            qx = f8_fma(heavy, values[v], qx);
        }
        float squares = f8_sum(q2), products = f8_sum(qx);
        /* The least error of a scale is what is left when this is taken off. */
        if (squares > 0.0f && products * (products / squares) > most) {
            most = products * (products / squares);
            best = products / squares;
        }
    }
    return best;
}

static void block_q6_k(const float *x, uint8_t *out) {
    float scales[16];
    for (int j = 0; j < 16; j++) scales[j] = best_scale(x + j * 16);
    memset(out, 0, 192);
    float d = at_half(out + 208, farthest(scales, 16) / -128.0f), factor = inverse(d);
    for (int j = 0; j < 16; j++) {
        float code = fminf(fmaxf(rintf(scales[j] * factor), -128.0f), 127.0f), back = inverse(d * code);
        out[192 + j] = (uint8_t)(int8_t)code;
        float numbers[16];
        for (int v = 0; v < 2; v++) {
            f8 number = f8_round(f8_mul(f8_load(x + j * 16 + v * 8), f8_set(back)));
            f8_store(numbers + v * 8, f8_clamp(number, -32.0f, 31.0f));
        }
        for (int i = 0; i < 16; i++) {
            int number = (int)numbers[i] + 32, k = j * 16 + i, half = k / 128, stream = k % 128 / 32, l = k % 32;
            out[half * 64 + stream % 2 * 32 + l] |= (uint8_t)((number & 15) << (stream < 2 ? 0 : 4));
            out[128 + half * 32 + l] |= (uint8_t)(number >> 4 << 2 * stream);
        }
    }
}

int64_t qc_quantize(int32_t format, int64_t count, const float *values, uint8_t *out) {
    void (*block)(const float *, uint8_t *) = format == QC_Q8_0   ? block_q8_0
                                              : format == QC_Q5_0 ? block_q5_0
                                              : format == QC_Q4_K ? block_q4_k
                                              : format == QC_Q6_K ? block_q6_k
                                                                  : NULL;
    int64_t step = format_columns(format), bytes = 0;
    if (!block || count % step) return 0;
    for (int64_t i = 0; i < count; i += step, bytes += stored_bytes(format)) block(values + i, out + bytes);
    return bytes;
}
