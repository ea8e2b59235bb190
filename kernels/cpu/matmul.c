/* Products of packed matrices with columns of activations.
 *
 * Eight rows at a time: a vector of four bytes of each row meets four bytes of the column, broadcast, in one
 * maddubs (unsigned weights times signed activations), and sums of a block stay in 16 bits: 8 * 2 * 15 * 127 < 2^15.
 * Up to four columns share one unpacking of the weights. Per output the order of float operations is the order of
 * blocks, whatever the number of columns, so a token's numbers never depend on its batch.
 *
 * Floor: decode reads every weight once (memory), a prompt is bound by maddubs (32 products each). */
#include "formats.h"

enum { TILE = 4 }; /* columns that share unpacked weights */

int input_kind(int32_t format) {
    switch (format_columns(format)) {
    case 32: return WANTS_32;
    case 256: return WANTS_256;
    default: return WANTS_FLOATS;
    }
}

/* -- activations ------------------------------------------------------------------------------------------------- */

static float largest(const float *x, int count) {
    f8 most = f8_zero();
    for (int i = 0; i < count; i += 8) most = f8_max(most, f8_abs(f8_load(x + i)));
    return f8_highest(most);
}

/* count bytes q = round(x * inverse), ties to even. */
static void round_to_bytes(const float *x, int count, float inverse, int8_t *q) {
#if defined(__AVX2__)
    __m256 factor = _mm256_set1_ps(inverse);
    for (int i = 0; i < count; i += 32) {
        __m256i a = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i), factor));
        __m256i b = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i + 8), factor));
        __m256i c = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i + 16), factor));
        __m256i d = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i + 24), factor));
        __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
        bytes = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
        _mm256_storeu_si256((__m256i *)(q + i), bytes);
    }
#else
    for (int i = 0; i < count; i++) q[i] = (int8_t)lrintf(x[i] * inverse);
#endif
}

void quantise32(const float *x, int64_t count, column32 *out) {
    for (int64_t b = 0; b < count / 32; b++, x += 32, out++) {
        float most = largest(x, 32), scale = most / 127.0f;
        round_to_bytes(x, 32, most != 0.0f ? 127.0f / most : 0.0f, out->q);
        int32_t total = 0;
        for (int i = 0; i < 32; i++) total += out->q[i];
        out->total = total;
        out->scale = half_to_float(float_to_half(scale));
        out->sum = half_to_float(float_to_half(scale * (float)total));
    }
}

void quantise256(const float *x, int64_t count, column256 *out) {
    for (int64_t b = 0; b < count / 256; b++, x += 256, out++) {
        float most = largest(x, 256), inverse = most != 0.0f ? 127.0f / most : 0.0f;
        round_to_bytes(x, 256, inverse, out->q);
        out->scale = most != 0.0f ? 1.0f / inverse : 0.0f;
        for (int j = 0; j < 16; j++) {
            int sum = 0;
            for (int i = 0; i < 16; i++) sum += out->q[j * 16 + i];
            out->sum16[j] = (int16_t)sum;
        }
        for (int j = 0; j < 8; j++) out->sum32[j] = (int16_t)(out->sum16[2 * j] + out->sum16[2 * j + 1]);
    }
}

/* -- eight rows times one to four columns ------------------------------------------------------------------------ */

/* Each gives sums of eight rows for `n` columns, n a constant where it is inlined; `w` is a packed group. */
#define KERNEL(name, column_type)                                                                                      \
    ALWAYS void name(const uint8_t *w, const column_type *const *x, int64_t blocks, const int n, f8 *acc)

#if defined(__AVX2__)
typedef __m256i i8;
ALWAYS i8 load(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }
ALWAYS i8 broadcast4(const int8_t *p) {
    int32_t four;
    memcpy(&four, p, 4);
    return _mm256_set1_epi32(four);
}
ALWAYS i8 low_nibbles(i8 x) { return _mm256_and_si256(x, _mm256_set1_epi8(15)); }
ALWAYS i8 high_nibbles(i8 x) { return _mm256_and_si256(_mm256_srli_epi16(x, 4), _mm256_set1_epi8(15)); }
ALWAYS f8 to_float(i8 x) { return _mm256_cvtepi32_ps(x); }

/* Eight groups of four unsigned numbers times 32 activations: 16 sums of 16 bits, two for each row. */
ALWAYS i8 products32(const i8 *w, const int8_t *q) {
    i8 a = _mm256_maddubs_epi16(w[0], broadcast4(q)), b = _mm256_maddubs_epi16(w[1], broadcast4(q + 4));
    a = _mm256_add_epi16(a, _mm256_maddubs_epi16(w[2], broadcast4(q + 8)));
    b = _mm256_add_epi16(b, _mm256_maddubs_epi16(w[3], broadcast4(q + 12)));
    a = _mm256_add_epi16(a, _mm256_maddubs_epi16(w[4], broadcast4(q + 16)));
    b = _mm256_add_epi16(b, _mm256_maddubs_epi16(w[5], broadcast4(q + 20)));
    a = _mm256_add_epi16(a, _mm256_maddubs_epi16(w[6], broadcast4(q + 24)));
    b = _mm256_add_epi16(b, _mm256_maddubs_epi16(w[7], broadcast4(q + 28)));
    return _mm256_add_epi16(a, b);
}

/* Eight bytes, each twice, as 16-bit numbers: one factor for both sums of a row. */
ALWAYS i8 twice(const uint8_t *p, int is_signed) {
    __m128i bytes = _mm_loadl_epi64((const __m128i *)p), both = _mm_unpacklo_epi8(bytes, bytes);
    return is_signed ? _mm256_cvtepi8_epi16(both) : _mm256_cvtepu8_epi16(both);
}

/* Two runs of eight bytes, interleaved, as 16-bit numbers. */
ALWAYS i8 paired(const uint8_t *p, int is_signed) {
    __m128i both = _mm_unpacklo_epi8(_mm_loadl_epi64((const __m128i *)p), _mm_loadl_epi64((const __m128i *)(p + 8)));
    return is_signed ? _mm256_cvtepi8_epi16(both) : _mm256_cvtepu8_epi16(both);
}

ALWAYS i8 broadcast_pair(const int16_t *p) {
    int32_t pair;
    memcpy(&pair, p, 4);
    return _mm256_set1_epi32(pair);
}

ALWAYS void load_nibbles32(const uint8_t *w, i8 *out) {
    for (int j = 0; j < 4; j++) {
        i8 bytes = load(w + j * 32);
        out[j] = low_nibbles(bytes);
        out[j + 4] = high_nibbles(bytes);
    }
}

KERNEL(dot_q4_0, column32) {
    const i8 ones = _mm256_set1_epi16(1);
    for (int64_t b = 0; b < blocks; b++, w += Q4_0_BYTES) {
        i8 numbers[8];
        load_nibbles32(w + 16, numbers);
        f8 d = f8_from_half((const uint16_t *)w);
        for (int c = 0; c < n; c++) {
            const column32 *column = x[c] + b;
            i8 sum = _mm256_madd_epi16(products32(numbers, column->q), ones);
            sum = _mm256_sub_epi32(sum, _mm256_set1_epi32(8 * column->total));
            acc[c] = f8_fma(f8_mul(d, f8_set(column->scale)), to_float(sum), acc[c]);
        }
    }
}

KERNEL(dot_q4_1, column32) {
    const i8 ones = _mm256_set1_epi16(1);
    for (int64_t b = 0; b < blocks; b++, w += Q4_1_BYTES) {
        i8 numbers[8];
        load_nibbles32(w + 32, numbers);
        f8 d = f8_from_half((const uint16_t *)w), m = f8_from_half((const uint16_t *)(w + 16));
        for (int c = 0; c < n; c++) {
            const column32 *column = x[c] + b;
            i8 sum = _mm256_madd_epi16(products32(numbers, column->q), ones);
            acc[c] = f8_fma(f8_mul(d, f8_set(column->scale)), to_float(sum), acc[c]);
            acc[c] = f8_fma(m, f8_set(column->sum), acc[c]);
        }
    }
}

KERNEL(dot_q8_0, column32) {
    const i8 ones = _mm256_set1_epi16(1);
    for (int64_t b = 0; b < blocks; b++, w += Q8_0_BYTES) {
        i8 sum[TILE];
        for (int c = 0; c < n; c++) sum[c] = _mm256_setzero_si256();
        for (int g = 0; g < 8; g++) { /* |w| times x with w's sign: 127 * 127 * 2 fits 16 bits once */
            i8 number = load(w + 16 + g * 32), size = _mm256_abs_epi8(number);
            for (int c = 0; c < n; c++) {
                i8 turned = _mm256_sign_epi8(broadcast4(x[c][b].q + g * 4), number);
                sum[c] = _mm256_add_epi32(sum[c], _mm256_madd_epi16(_mm256_maddubs_epi16(size, turned), ones));
            }
        }
        f8 d = f8_from_half((const uint16_t *)w);
        for (int c = 0; c < n; c++)
            acc[c] = f8_fma(f8_mul(d, f8_set(x[c][b].scale)), to_float(sum[c]), acc[c]);
    }
}

KERNEL(dot_q4_k, column256) {
    for (int64_t b = 0; b < blocks; b++, w += Q4_K_BYTES) {
        i8 sum[TILE];
        for (int c = 0; c < n; c++) sum[c] = _mm256_setzero_si256();
        for (int sub = 0; sub < 8; sub++) {
            i8 numbers[8], scale = twice(w + 32 + sub * 8, 0);
            for (int g = 0; g < 8; g++) {
                i8 bytes = load(w + 160 + sub / 2 * 256 + g * 32);
                numbers[g] = sub % 2 ? high_nibbles(bytes) : low_nibbles(bytes);
            }
            for (int c = 0; c < n; c++) {
                i8 products = products32(numbers, x[c][b].q + sub * 32);
                sum[c] = _mm256_add_epi32(sum[c], _mm256_madd_epi16(products, scale));
            }
        }
        f8 d = f8_from_half((const uint16_t *)w), dmin = f8_from_half((const uint16_t *)(w + 16));
        for (int c = 0; c < n; c++) {
            const column256 *column = x[c] + b;
            i8 minima = _mm256_setzero_si256();
            for (int pair = 0; pair < 4; pair++) {
                i8 both = paired(w + 96 + pair * 16, 0);
                minima = _mm256_add_epi32(minima, _mm256_madd_epi16(both, broadcast_pair(column->sum32 + pair * 2)));
            }
            f8 factor = f8_set(column->scale);
            acc[c] = f8_fma(f8_mul(d, factor), to_float(sum[c]), acc[c]);
            acc[c] = f8_fma(f8_mul(dmin, f8_sub(f8_zero(), factor)), to_float(minima), acc[c]);
        }
    }
}

KERNEL(dot_q6_k, column256) {
    const i8 high = _mm256_set1_epi8(0x30);
    for (int64_t b = 0; b < blocks; b++, w += Q6_K_BYTES) {
        i8 sum[TILE];
        for (int c = 0; c < n; c++) sum[c] = _mm256_setzero_si256();
        for (int half = 0; half < 2; half++) {
            for (int stream = 0; stream < 4; stream++) {
                for (int quad = 0; quad < 2; quad++) { /* 16 columns with one scale */
                    i8 numbers[4], scale = twice(w + 16 + (half * 8 + stream * 2 + quad) * 8, 1);
                    for (int i = 0; i < 4; i++) {
                        int g = quad * 4 + i;
                        i8 low = load(w + 144 + half * 512 + stream % 2 * 256 + g * 32);
                        i8 bits = load(w + 144 + 1024 + half * 256 + g * 32);
                        low = stream < 2 ? low_nibbles(low) : high_nibbles(low);
                        bits = stream == 0 ? _mm256_slli_epi16(bits, 4) : stream == 1 ? _mm256_slli_epi16(bits, 2)
                             : stream == 2 ? bits : _mm256_srli_epi16(bits, 2);
                        numbers[i] = _mm256_or_si256(low, _mm256_and_si256(bits, high));
                    }
                    for (int c = 0; c < n; c++) {
                        const int8_t *q = x[c][b].q + half * 128 + stream * 32 + quad * 16;
                        i8 first = _mm256_add_epi16(_mm256_maddubs_epi16(numbers[0], broadcast4(q)),
                                                    _mm256_maddubs_epi16(numbers[1], broadcast4(q + 4)));
                        i8 second = _mm256_add_epi16(_mm256_maddubs_epi16(numbers[2], broadcast4(q + 8)),
                                                     _mm256_maddubs_epi16(numbers[3], broadcast4(q + 12)));
                        sum[c] = _mm256_add_epi32(sum[c], _mm256_madd_epi16(first, scale));
                        sum[c] = _mm256_add_epi32(sum[c], _mm256_madd_epi16(second, scale));
                    }
                }
            }
        }
        f8 d = f8_from_half((const uint16_t *)w);
        for (int c = 0; c < n; c++) {
            const column256 *column = x[c] + b;
            i8 offset = _mm256_setzero_si256(); /* numbers stand for -32 to 31 */
            for (int pair = 0; pair < 8; pair++) {
                i8 both = paired(w + 16 + pair * 16, 1);
                offset = _mm256_add_epi32(offset, _mm256_madd_epi16(both, broadcast_pair(column->sum16 + pair * 2)));
            }
            i8 total = _mm256_sub_epi32(sum[c], _mm256_slli_epi32(offset, 5));
            acc[c] = f8_fma(f8_mul(d, f8_set(column->scale)), to_float(total), acc[c]);
        }
    }
}

#else /* any other processor: the same sums in plain C */

ALWAYS int32_t number4(const uint8_t *spread, int k, int r, int high) {
    uint8_t byte = spread[k / 4 * 32 + r * 4 + k % 4];
    return high ? byte >> 4 : byte & 15;
}

ALWAYS f8 halves(const uint8_t *p) { return f8_from_half((const uint16_t *)p); }

KERNEL(dot_q4_0, column32) {
    for (int64_t b = 0; b < blocks; b++, w += Q4_0_BYTES)
        for (int c = 0; c < n; c++) {
            const column32 *column = x[c] + b;
            float sums[8];
            for (int r = 0; r < 8; r++) {
                int32_t sum = -8 * column->total;
                for (int k = 0; k < 32; k++) sum += number4(w + 16, k % 16, r, k / 16) * column->q[k];
                sums[r] = (float)sum;
            }
            acc[c] = f8_fma(f8_mul(halves(w), f8_set(column->scale)), f8_load(sums), acc[c]);
        }
}

KERNEL(dot_q4_1, column32) {
    for (int64_t b = 0; b < blocks; b++, w += Q4_1_BYTES)
        for (int c = 0; c < n; c++) {
            const column32 *column = x[c] + b;
            float sums[8];
            for (int r = 0; r < 8; r++) {
                int32_t sum = 0;
                for (int k = 0; k < 32; k++) sum += number4(w + 32, k % 16, r, k / 16) * column->q[k];
                sums[r] = (float)sum;
            }
            acc[c] = f8_fma(f8_mul(halves(w), f8_set(column->scale)), f8_load(sums), acc[c]);
            acc[c] = f8_fma(halves(w + 16), f8_set(column->sum), acc[c]);
        }
}

KERNEL(dot_q8_0, column32) {
    for (int64_t b = 0; b < blocks; b++, w += Q8_0_BYTES)
        for (int c = 0; c < n; c++) {
            const column32 *column = x[c] + b;
            float sums[8];
            for (int r = 0; r < 8; r++) {
                int32_t sum = 0;
                for (int k = 0; k < 32; k++) sum += (int8_t)w[16 + k / 4 * 32 + r * 4 + k % 4] * column->q[k];
                sums[r] = (float)sum;
            }
            acc[c] = f8_fma(f8_mul(halves(w), f8_set(column->scale)), f8_load(sums), acc[c]);
        }
}

KERNEL(dot_q4_k, column256) {
    for (int64_t b = 0; b < blocks; b++, w += Q4_K_BYTES)
        for (int c = 0; c < n; c++) {
            const column256 *column = x[c] + b;
            float sums[8], minima[8];
            for (int r = 0; r < 8; r++) {
                int32_t sum = 0, minimum = 0;
                for (int sub = 0; sub < 8; sub++) {
                    int32_t part = 0;
                    for (int k = 0; k < 32; k++)
                        part += number4(w + 160 + sub / 2 * 256, k, r, sub % 2) * column->q[sub * 32 + k];
                    sum += part * w[32 + sub * 8 + r];
                    minimum += column->sum32[sub] * w[96 + sub * 8 + r];
                }
                sums[r] = (float)sum;
                minima[r] = (float)minimum;
            }
            f8 factor = f8_set(column->scale);
            acc[c] = f8_fma(f8_mul(halves(w), factor), f8_load(sums), acc[c]);
            acc[c] = f8_fma(f8_mul(halves(w + 16), f8_sub(f8_zero(), factor)), f8_load(minima), acc[c]);
        }
}

KERNEL(dot_q6_k, column256) {
    for (int64_t b = 0; b < blocks; b++, w += Q6_K_BYTES)
        for (int c = 0; c < n; c++) {
            const column256 *column = x[c] + b;
            float sums[8];
            for (int r = 0; r < 8; r++) {
                int32_t sum = 0;
                for (int k = 0; k < 256; k++) {
                    int half = k / 128, stream = k % 128 / 32, l = k % 32;
                    int32_t low = number4(w + 144 + half * 512 + stream % 2 * 256, l, r, stream >= 2);
                    uint8_t bits = w[144 + 1024 + half * 256 + l / 4 * 32 + r * 4 + l % 4];
                    int32_t number = (low | (bits >> 2 * stream & 3) << 4) - 32;
                    sum += number * (int8_t)w[16 + k / 16 * 8 + r] * column->q[k];
                }
                sums[r] = (float)sum;
            }
            acc[c] = f8_fma(f8_mul(halves(w), f8_set(column->scale)), f8_load(sums), acc[c]);
        }
}
#endif

KERNEL(dot_f32, float) {
    for (int64_t k = 0; k < blocks; k++, w += 32)
        for (int c = 0; c < n; c++) acc[c] = f8_fma(f8_load((const float *)w), f8_set(x[c][k]), acc[c]);
}

KERNEL(dot_f16, float) {
    for (int64_t k = 0; k < blocks; k++, w += 16)
        for (int c = 0; c < n; c++)
            acc[c] = f8_fma(f8_from_half((const uint16_t *)w), f8_set(x[c][k]), acc[c]);
}

KERNEL(dot_bf16, float) {
    for (int64_t k = 0; k < blocks; k++, w += 16)
        for (int c = 0; c < n; c++)
            acc[c] = f8_fma(f8_from_bf16((const uint16_t *)w), f8_set(x[c][k]), acc[c]);
}

/* -- a tile of groups times all columns -------------------------------------------------------------------------- */

/* Where the columns begin from `first` on. */
#define COLUMNS(type, field, step)                                                                                     \
    const type *x[TILE];                                                                                               \
    for (int c = 0; c < n; c++) x[c] = in->field + (in->which ? in->which[first + c] : first + c) * (step)

ALWAYS void dot(int32_t format, const uint8_t *w, const inputs *in, int64_t first, int64_t blocks, int64_t width,
                const int n, f8 *acc) {
    if (format_columns(format) == 1) {
        COLUMNS(float, floats, width);
        if (format == QC_F32) dot_f32(w, x, blocks, n, acc);
        if (format == QC_F16) dot_f16(w, x, blocks, n, acc);
        if (format == QC_BF16) dot_bf16(w, x, blocks, n, acc);
    } else if (format_columns(format) == 32) {
        COLUMNS(column32, by32, width / 32);
        if (format == QC_Q4_0) dot_q4_0(w, x, blocks, n, acc);
        if (format == QC_Q4_1) dot_q4_1(w, x, blocks, n, acc);
        if (format == QC_Q8_0) dot_q8_0(w, x, blocks, n, acc);
    } else {
        COLUMNS(column256, by256, width / 256);
        if (format == QC_Q4_K) dot_q4_k(w, x, blocks, n, acc);
        if (format == QC_Q6_K) dot_q6_k(w, x, blocks, n, acc);
    }
}

ALWAYS void finish(const outputs *out, int64_t column, int64_t row, f8 value) {
    float *place = out->out + column * out->stride + row;
    value = f8_mul(value, f8_set(out->factor));
    f8_store(place, out->add ? f8_add(f8_load(place), value) : value);
}

ALWAYS void multiply_tile(const qc_matrix *matrix, int64_t first, int64_t last, const inputs *in, int64_t column,
                          const int n, const outputs *out) {
    int64_t blocks = matrix->columns / format_columns(matrix->format), bytes = blocks * block_bytes(matrix->format);
    for (int64_t group = first; group < last; group += out->swiglu ? 2 : 1) {
        f8 acc[TILE], up[TILE];
        for (int c = 0; c < n; c++) acc[c] = up[c] = f8_zero();
        dot(matrix->format, matrix->data + group * bytes, in, column, blocks, matrix->columns, n, acc);
        if (!out->swiglu) {
            for (int c = 0; c < n; c++) finish(out, column + c, group * 8, acc[c]);
            continue;
        }
        dot(matrix->format, matrix->data + (group + 1) * bytes, in, column, blocks, matrix->columns, n, up);
        for (int c = 0; c < n; c++) finish(out, column + c, group * 4, f8_mul(f8_silu(acc[c]), up[c]));
    }
}

void multiply(const qc_matrix *matrix, int64_t first, int64_t last, const inputs *in, int64_t columns,
              const outputs *out) {
    int64_t column = 0;
    for (; column + 4 <= columns; column += 4) multiply_tile(matrix, first, last, in, column, 4, out);
    if (column + 2 <= columns) {
        multiply_tile(matrix, first, last, in, column, 2, out);
        column += 2;
    }
    if (column < columns) multiply_tile(matrix, first, last, in, column, 1, out);
}
