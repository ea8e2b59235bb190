/* The sums of dot_avx2.h in plain C, for every other processor. Included by matmul.c alone. */
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

ALWAYS int32_t five_bits(const uint8_t *bits, int k, int r) { /* nibbles stand behind the bits */
    return number4(bits + 32, k % 16, r, k / 16) | (bits[r * 4 + k % 4] >> k / 4 & 1) << 4;
}

KERNEL(dot_q5_0, column32) {
    for (int64_t b = 0; b < blocks; b++, w += Q5_0_BYTES)
        for (int c = 0; c < n; c++) {
            const column32 *column = x[c] + b;
            float sums[8];
            for (int r = 0; r < 8; r++) {
                int32_t sum = -16 * column->total;
                for (int k = 0; k < 32; k++) sum += five_bits(w + 16, k, r) * column->q[k];
                sums[r] = (float)sum;
            }
            acc[c] = f8_fma(f8_mul(halves(w), f8_set(column->scale)), f8_load(sums), acc[c]);
        }
}

KERNEL(dot_q5_1, column32) {
    for (int64_t b = 0; b < blocks; b++, w += Q5_1_BYTES)
        for (int c = 0; c < n; c++) {
            const column32 *column = x[c] + b;
            float sums[8];
            for (int r = 0; r < 8; r++) {
                int32_t sum = 0;
                for (int k = 0; k < 32; k++) sum += five_bits(w + 32, k, r) * column->q[k];
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

/* Q4_K, and with `fifth` Q5_K: the bytes of fifth bits stand before the nibbles. */
ALWAYS f8 add_block_with_minima(const uint8_t *w, const column256 *column, const int fifth, f8 acc) {
    const uint8_t *bits = w + 160, *nibbles = bits + (fifth ? 256 : 0);
    float sums[8], minima[8];
    for (int r = 0; r < 8; r++) {
        int32_t sum = 0, minimum = 0;
        for (int sub = 0; sub < 8; sub++) {
            int32_t part = 0;
            for (int k = 0; k < 32; k++) {
                int32_t number = number4(nibbles + sub / 2 * 256, k, r, sub % 2);
                if (fifth) number |= (bits[k / 4 * 32 + r * 4 + k % 4] >> sub & 1) << 4;
                part += number * column->q[sub * 32 + k];
            }
            sum += part * w[32 + sub * 8 + r];
            minimum += column->sum32[sub] * w[96 + sub * 8 + r];
        }
        sums[r] = (float)sum;
        minima[r] = (float)minimum;
    }
    f8 factor = f8_set(column->scale);
    acc = f8_fma(f8_mul(halves(w), factor), f8_load(sums), acc);
    return f8_fma(f8_mul(halves(w + 16), f8_sub(f8_zero(), factor)), f8_load(minima), acc);
}

KERNEL(dot_q4_k, column256) {
    for (int64_t b = 0; b < blocks; b++, w += Q4_K_BYTES)
        for (int c = 0; c < n; c++) acc[c] = add_block_with_minima(w, x[c] + b, 0, acc[c]);
}

KERNEL(dot_q5_k, column256) {
    for (int64_t b = 0; b < blocks; b++, w += Q5_K_BYTES)
        for (int c = 0; c < n; c++) acc[c] = add_block_with_minima(w, x[c] + b, 1, acc[c]);
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
