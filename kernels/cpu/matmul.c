/* Products of packed matrices with columns of activations.
 *
 * Eight rows at a time, and up to four columns that share one unpacking of the weights; sixteen where there is a wide
 * kernel. Per output the order of float operations is the order of blocks, whatever the number of columns, so a token's
 * numbers never depend on its batch.
 *
 * Floor: decode reads every weight once (memory), a prompt is bound by maddubs (32 products each). */
#include "formats.h"

int input_kind(int32_t format) {
    switch (format_columns(format)) {
    case 32: return WANTS_32;
    case 256: return WANTS_256;
    default: return WANTS_FLOATS;
    }
}

/* A kernel adds the products of eight rows, the packed group `w`, with `n` columns of `blocks` blocks to `acc`;
 * n is a constant where it is inlined. */
#define KERNEL(name, column_type)                                                                                      \
    ALWAYS void name(const uint8_t *w, const column_type *const *x, int64_t blocks, const int n, f8 *acc)

#if defined(__AVX2__)
#include "dot_avx2.h"
#include "wide_avx2.h"
int takes_wide(int64_t columns, int wants) { return columns >= WIDE && wants & WANTS_256; }
#else
#include "dot_plain.h"
int takes_wide(int64_t columns, int wants) { return 0 * columns * wants; }
void widen256(const column256 *columns, int64_t stride, wide256 *out) { (void)columns, (void)stride, (void)out; }
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
        if (format == QC_Q5_0) dot_q5_0(w, x, blocks, n, acc);
        if (format == QC_Q5_1) dot_q5_1(w, x, blocks, n, acc);
        if (format == QC_Q8_0) dot_q8_0(w, x, blocks, n, acc);
    } else {
        COLUMNS(column256, by256, width / 256);
        if (format == QC_Q4_K) dot_q4_k(w, x, blocks, n, acc);
        if (format == QC_Q5_K) dot_q5_k(w, x, blocks, n, acc);
        if (format == QC_Q6_K) dot_q6_k(w, x, blocks, n, acc);
    }
}

ALWAYS f8 with_bias(const qc_matrix *matrix, int64_t group, f8 product) {
    return matrix->bias ? f8_add(product, f8_load(matrix->bias + group * 8)) : product;
}

ALWAYS void finish(const outputs *out, int64_t column, int64_t row, f8 value) {
    float *place = out->out + column * out->stride + row;
    value = f8_mul(value, f8_set(out->factor));
    f8_store(place, out->add ? f8_add(f8_load(place), value) : value);
}

/* What becomes of a group's products, those of eight rows with n columns; with `swiglu` also of the next group's. */
ALWAYS void finish_group(const qc_matrix *matrix, int64_t group, const f8 *acc, const f8 *up, int64_t column, const int n,
                         const outputs *out) {
    for (int c = 0; c < n; c++) {
        f8 value = with_bias(matrix, group, acc[c]);
        if (!out->swiglu)
            finish(out, column + c, group * 8, value);
        else
            finish(out, column + c, group * 4, f8_mul(f8_silu(value), with_bias(matrix, group + 1, up[c])));
    }
}

ALWAYS void multiply_tile(const qc_matrix *matrix, int64_t first, int64_t last, const inputs *in, int64_t column,
                          const int n, const outputs *out) {
    int64_t blocks = matrix->columns / format_columns(matrix->format), bytes = blocks * block_bytes(matrix->format);
    for (int64_t group = first; group < last; group += out->swiglu ? 2 : 1) {
        f8 acc[TILE], up[TILE];
        for (int c = 0; c < n; c++) acc[c] = up[c] = f8_zero();
        dot(matrix->format, matrix->data + group * bytes, in, column, blocks, matrix->columns, n, acc);
        if (out->swiglu) dot(matrix->format, matrix->data + (group + 1) * bytes, in, column, blocks, matrix->columns, n, up);
        finish_group(matrix, group, acc, up, column, n, out);
    }
}

#if defined(__AVX2__)
static void multiply_wide(const qc_matrix *matrix, int64_t first, int64_t last, const inputs *in, int64_t column,
                          const outputs *out) {
    int64_t blocks = matrix->columns / 256, bytes = blocks * block_bytes(matrix->format);
    const wide256 *x = in->wide + column / WIDE * blocks;
    for (int64_t group = first; group < last; group += out->swiglu ? 2 : 1) {
        f8 acc[WIDE], up[WIDE];
        dot_wide(matrix->format, matrix->data + group * bytes, x, blocks, acc);
        if (out->swiglu) dot_wide(matrix->format, matrix->data + (group + 1) * bytes, x, blocks, up);
        finish_group(matrix, group, acc, up, column, WIDE, out);
    }
}
#endif

void multiply(const qc_matrix *matrix, int64_t first, int64_t last, const inputs *in, int64_t columns,
              const outputs *out) {
    int64_t column = 0;
#if defined(__AVX2__)
    if (in->wide && !in->which && format_columns(matrix->format) == 256)
        for (; column + WIDE <= columns; column += WIDE) multiply_wide(matrix, first, last, in, column, out);
#endif
    for (; column + 4 <= columns; column += 4) multiply_tile(matrix, first, last, in, column, 4, out);
    if (column + 2 <= columns) {
        multiply_tile(matrix, first, last, in, column, 2, out);
        column += 2;
    }
    if (column < columns) multiply_tile(matrix, first, last, in, column, 1, out);
}
