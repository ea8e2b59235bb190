/* Matrices packed in groups of eight rows, so that one vector holds a step of eight rows and no sum runs across lanes.
 *
 * A quantised row is a run of blocks (layouts: ggml/src/ggml-common.h). A group keeps the blocks' bytes and only
 * interleaves them: first the eight rows' scales, then the numbers, four bytes of each row in turn:
 *
 *   Q4_0   half d[8]                     16 x (8 x 4 bytes) nibbles /4          32 columns a block
 *   Q4_1   half d[8], half m[8]          the same
 *   Q5_0   half d[8]                     8 x 4 bytes of fifth bits, then as Q4_0
 *   Q5_1   half d[8], half m[8]          the same
 *   Q8_0   half d[8]                     8 x (8 x 4) signed bytes
 *   Q4_K   half d[8], half dmin[8], u8 scale[8][8], u8 minimum[8][8], 4 x 8 x (8 x 4) bytes of nibbles    256 columns
 *   Q5_K   as Q4_K, with 8 x (8 x 4) bytes of fifth bits before the nibbles
 *   Q6_K   half d[8], i8 scale[16][8], 2 x 2 x 8 x (8 x 4) low nibbles, 2 x 8 x (8 x 4) high bits        256 columns
 *   F32, F16, BF16: column by column, eight numbers each
 *
 * Only Q4_K and Q5_K grow, by 2.8 and 2.3 %: their 6-bit scales become bytes. The fifth bits of Q5_0 and Q5_1 are turned:
 * bit g of byte i belongs to number 4 g + i, so that one shift brings four numbers' bits of every row to their places. */
#include "formats.h"

int64_t format_columns(int32_t format) {
    switch (format) {
    case QC_F32: case QC_F16: case QC_BF16: return 1;
    case QC_Q4_0: case QC_Q4_1: case QC_Q5_0: case QC_Q5_1: case QC_Q8_0: return 32;
    case QC_Q4_K: case QC_Q5_K: case QC_Q6_K: return 256;
    default: return 0;
    }
}

int64_t stored_bytes(int32_t format) {
    switch (format) {
    case QC_F32: return 4;
    case QC_F16: case QC_BF16: return 2;
    case QC_Q4_0: return 18;
    case QC_Q4_1: return 20;
    case QC_Q5_0: return 22;
    case QC_Q5_1: return 24;
    case QC_Q8_0: return 34;
    case QC_Q4_K: return 144;
    case QC_Q5_K: return 176;
    default: return 210; /* Q6_K */
    }
}

int64_t block_bytes(int32_t format) {
    switch (format) {
    case QC_F32: return 32;
    case QC_F16: case QC_BF16: return 16;
    case QC_Q4_0: return Q4_0_BYTES;
    case QC_Q4_1: return Q4_1_BYTES;
    case QC_Q5_0: return Q5_0_BYTES;
    case QC_Q5_1: return Q5_1_BYTES;
    case QC_Q8_0: return Q8_0_BYTES;
    case QC_Q4_K: return Q4_K_BYTES;
    case QC_Q5_K: return Q5_K_BYTES;
    default: return Q6_K_BYTES;
    }
}

int64_t qc_packed_bytes(int32_t format, int64_t rows, int64_t columns) {
    int64_t step = format_columns(format);
    if (!step || rows < 1 || columns < 1 || columns % step) return 0;
    return (rows + 7) / 8 * (columns / step) * block_bytes(format);
}

/* `count` bytes of row r, four at a time, into their places among eight rows. */
static void spread_bytes(uint8_t *target, const uint8_t *source, int count, int r) {
    for (int j = 0; j < count / 4; j++) memcpy(target + j * 32 + r * 4, source + j * 4, 4);
}

/* The fifth bits of a block of 32, into the four bytes of row r. */
static void turn_bits(uint8_t *target, const uint8_t *source, int r) {
    memset(target + r * 4, 0, 4);
    for (int k = 0; k < 32; k++) target[r * 4 + k % 4] |= (uint8_t)((source[k / 8] >> k % 8 & 1) << k / 4);
}

/* The 6-bit scale and minimum of sub-block j (ggml packs eight pairs into twelve bytes). */
static void scale_and_minimum(const uint8_t *packed, int j, uint8_t *scale, uint8_t *minimum) {
    if (j < 4) {
        *scale = packed[j] & 63;
        *minimum = packed[j + 4] & 63;
    } else {
        *scale = (uint8_t)((packed[j + 4] & 15) | (packed[j - 4] >> 6) << 4);
        *minimum = (uint8_t)((packed[j + 4] >> 4) | (packed[j] >> 6) << 4);
    }
}

static void pack_block(int32_t format, uint8_t *target, const uint8_t *source, int r) {
    switch (format) {
    case QC_F32:
        memcpy(target + r * 4, source, 4);
        return;
    case QC_F16: case QC_BF16:
        memcpy(target + r * 2, source, 2);
        return;
    case QC_Q4_0:
        memcpy(target + r * 2, source, 2);
        spread_bytes(target + 16, source + 2, 16, r);
        return;
    case QC_Q4_1:
        memcpy(target + r * 2, source, 2);
        memcpy(target + 16 + r * 2, source + 2, 2);
        spread_bytes(target + 32, source + 4, 16, r);
        return;
    case QC_Q5_0:
        memcpy(target + r * 2, source, 2);
        turn_bits(target + 16, source + 2, r);
        spread_bytes(target + 48, source + 6, 16, r);
        return;
    case QC_Q5_1:
        memcpy(target + r * 2, source, 2);
        memcpy(target + 16 + r * 2, source + 2, 2);
        turn_bits(target + 32, source + 4, r);
        spread_bytes(target + 64, source + 8, 16, r);
        return;
    case QC_Q8_0:
        memcpy(target + r * 2, source, 2);
        spread_bytes(target + 16, source + 2, 32, r);
        return;
    case QC_Q4_K: case QC_Q5_K:
        memcpy(target + r * 2, source, 2);
        memcpy(target + 16 + r * 2, source + 2, 2);
        for (int j = 0; j < 8; j++) scale_and_minimum(source + 4, j, target + 32 + j * 8 + r, target + 96 + j * 8 + r);
        spread_bytes(target + 160, source + 16, format == QC_Q4_K ? 128 : 32 + 128, r);
        return;
    default: /* Q6_K */
        memcpy(target + r * 2, source + 208, 2);
        for (int j = 0; j < 16; j++) target[16 + j * 8 + r] = source[192 + j];
        spread_bytes(target + 144, source, 128, r);
        spread_bytes(target + 144 + 1024, source + 128, 64, r);
    }
}

void qc_pack(int32_t format, int64_t rows, int64_t columns, const uint8_t *source, uint8_t *target, int64_t first,
             int64_t last, int32_t spread) {
    int64_t blocks = columns / format_columns(format), stored = stored_bytes(format), packed = block_bytes(format);
    for (int64_t row = first; row < last; row += 8) {
        uint8_t *group = target + row / 8 * spread * blocks * packed;
        if (row + 8 > rows) memset(group, 0, (size_t)(blocks * packed));
        for (int64_t r = 0; r < 8 && row + r < rows; r++) {
            const uint8_t *from = source + (row + r) * blocks * stored;
            for (int64_t b = 0; b < blocks; b++) pack_block(format, group + b * packed, from + b * stored, (int)r);
        }
    }
}

static float half_at(const uint8_t *p) {
    uint16_t half;
    memcpy(&half, p, 2);
    return half_to_float(half);
}

/* Byte k of row r where bytes stand four by four among eight rows. */
static uint8_t spread_at(const uint8_t *p, int k, int r) { return p[k / 4 * 32 + r * 4 + k % 4]; }

static void unpack_block(int32_t format, const uint8_t *block, int r, float *out) {
    float d = half_at(block + r * 2);
    switch (format) {
    case QC_F32:
        memcpy(out, block + r * 4, 4);
        return;
    case QC_F16:
        *out = d;
        return;
    case QC_BF16: {
        uint16_t bits;
        memcpy(&bits, block + r * 2, 2);
        *out = bf16_to_float(bits);
        return;
    }
    case QC_Q4_0: case QC_Q4_1: {
        int with_minimum = format == QC_Q4_1;
        float m = with_minimum ? half_at(block + 16 + r * 2) : -8 * d;
        const uint8_t *numbers = block + (with_minimum ? 32 : 16);
        for (int k = 0; k < 16; k++) {
            uint8_t byte = spread_at(numbers, k, r);
            out[k] = d * (float)(byte & 15) + m;
            out[k + 16] = d * (float)(byte >> 4) + m;
        }
        return;
    }
    case QC_Q5_0: case QC_Q5_1: {
        int with_minimum = format == QC_Q5_1;
        float m = with_minimum ? half_at(block + 16 + r * 2) : -16 * d;
        const uint8_t *bits = block + (with_minimum ? 32 : 16);
        for (int k = 0; k < 32; k++) {
            uint8_t byte = spread_at(bits + 32, k % 16, r);
            out[k] = d * (float)((k < 16 ? byte & 15 : byte >> 4) | (bits[r * 4 + k % 4] >> k / 4 & 1) << 4) + m;
        }
        return;
    }
    case QC_Q8_0:
        for (int k = 0; k < 32; k++) out[k] = d * (float)(int8_t)spread_at(block + 16, k, r);
        return;
    case QC_Q4_K: case QC_Q5_K: {
        float dmin = half_at(block + 16 + r * 2);
        const uint8_t *nibbles = block + (format == QC_Q4_K ? 160 : 160 + 256);
        for (int k = 0; k < 256; k++) {
            int sub = k / 32;
            uint8_t byte = spread_at(nibbles, k / 64 * 32 + k % 32, r);
            int number = sub % 2 ? byte >> 4 : byte & 15;
            if (format == QC_Q5_K) number |= (spread_at(block + 160, k % 32, r) >> sub & 1) << 4;
            out[k] = d * (float)block[32 + sub * 8 + r] * (float)number - dmin * (float)block[96 + sub * 8 + r];
        }
        return;
    }
    default: /* Q6_K: in each half of 128, stream s holds columns 32 s to 32 s + 31 */
        for (int k = 0; k < 256; k++) {
            int half = k / 128, stream = k % 128 / 32, l = k % 32;
            uint8_t low = spread_at(block + 144 + half * 512 + stream % 2 * 256, l, r);
            uint8_t high = spread_at(block + 144 + 1024 + half * 256, l, r);
            int number = (stream < 2 ? low & 15 : low >> 4) | (high >> 2 * stream & 3) << 4;
            out[k] = d * (float)(int8_t)block[16 + k / 16 * 8 + r] * (float)(number - 32);
        }
    }
}

void qc_unpack_row(const qc_matrix *matrix, int64_t row, float *out) {
    int64_t step = format_columns(matrix->format), blocks = matrix->columns / step, packed = block_bytes(matrix->format);
    const uint8_t *group = matrix->data + row / 8 * blocks * packed;
    for (int64_t b = 0; b < blocks; b++) unpack_block(matrix->format, group + b * packed, (int)(row % 8), out + b * step);
}
