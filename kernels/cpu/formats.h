/* Packed blocks and quantised columns, shared by pack.c and matmul.c. */
#ifndef QUARRY_FORMATS_H
#define QUARRY_FORMATS_H
#include "quarry_cpu.h"
#include "simd.h"

enum {
    Q4_0_BYTES = 16 + 128,
    Q4_1_BYTES = 32 + 128,
    Q5_0_BYTES = 16 + 32 + 128,
    Q5_1_BYTES = 32 + 32 + 128,
    Q8_0_BYTES = 16 + 256,
    Q4_K_BYTES = 32 + 128 + 1024,
    Q5_K_BYTES = 32 + 128 + 256 + 1024,
    Q6_K_BYTES = 16 + 128 + 1024 + 512,
};

/* 32 activations: x is about scale * q. Rounded as llama.cpp rounds them (its Q8_0 and Q8_1), half-precision scales
 * included, so that the same file gives the same numbers there and here but for the order of sums. */
typedef struct {
    float scale, sum; /* sum: scale * (sum of q), for formats with a minimum */
    int32_t total;    /* sum of q */
    int8_t q[32];
} column32;

/* 256 activations for the K formats (llama.cpp's Q8_K): one float32 scale, sums of 16 and of 32. */
typedef struct {
    float scale;
    int16_t sum16[16], sum32[8];
    int8_t q[256];
} column256;

enum { TILE = 4, WIDE = 16 }; /* columns of a product that share unpacked weights; as many as a wide kernel takes */

/* Sixteen columns of 256 activations beside each other. */
typedef struct {
    int8_t q[64][WIDE][4]; /* four numbers of each column */
    float scale[WIDE];
    int16_t sum32[4][WIDE][2];    /* two sums of each column */
    int16_t offsets[16][WIDE][2]; /* of 16 numbers: -32 times the sum of those that one 16-bit lane of products meets */
} wide256;

int64_t format_columns(int32_t format); /* columns of a block; 0: unknown */
int64_t stored_bytes(int32_t format);   /* of a block of one row, as a file has it */
int64_t block_bytes(int32_t format);    /* of a packed block, eight rows */

void quantise32(const float *x, int64_t count, column32 *out);
void quantise256(const float *x, int64_t count, column256 *out);

/* Columns of one matrix product in the kinds that formats ask for. A column is `columns` numbers long. */
typedef struct {
    const float *floats;
    const column32 *by32;
    const column256 *by256;
    const int32_t *which; /* the columns to take; NULL: one after another */
    const wide256 *wide;  /* the first columns once more, as many as fill sixteens; NULL: none */
} inputs;

enum { WANTS_FLOATS = 1, WANTS_32 = 2, WANTS_256 = 4 };
int input_kind(int32_t format);
int takes_wide(int64_t columns, int wants); /* whether any product of such columns has a wide kernel */
void widen256(const column256 *columns, int64_t stride, wide256 *out); /* one block of sixteen columns, if so */

/* What becomes of a product and its bias: out[column * stride + row] = value * factor, added to what stands there if
 * `add`; with `swiglu` groups come in pairs and out gets silu(gate) * up. */
typedef struct {
    float *out;
    int64_t stride;
    float factor;
    int add, swiglu;
} outputs;

/* Groups [first, last) of `matrix` times all columns. */
void multiply(const qc_matrix *matrix, int64_t first, int64_t last, const inputs *in, int64_t columns,
              const outputs *out);
#endif
