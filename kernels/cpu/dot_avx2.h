/* Eight rows times one to four columns with AVX2. Included by matmul.c alone, which says what a kernel is.
 *
 * A vector of four bytes of each row meets four bytes of the column, broadcast, in one maddubs (unsigned weights times
 * signed activations), and sums of a block stay in 16 bits: 8 * 2 * 15 * 127 < 2^15, for five bits 4 * 2 * 31 * 127. */
typedef __m256i i8;

/* Have a later block in the cache when its turn comes. A block is read as several streams, which the hardware's own
 * prefetcher does not follow: without this Q6_K reads memory at 4 GB/s a core, with it at 9. With one column memory is
 * what takes the time, so that it is asked early; with more, what comes early pushes out what is in use. */
ALWAYS void fetch_ahead(const uint8_t *block, int bytes, const int columns) {
    const int ahead = columns == 1 ? 3072 : 1024;
    for (int line = 0; line < bytes; line += 64) __builtin_prefetch(block + ahead + line);
}

ALWAYS i8 load(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }
/* Four bytes: numbers of eight bits, or two of sixteen. */
ALWAYS i8 broadcast4(const void *p) {
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

/* The same for numbers up to 31, each sum times its factor: 8 sums of 32 bits, one for each row. */
ALWAYS i8 products32_of_five_bits(const i8 *w, const int8_t *q, i8 factor) {
    i8 halves[2];
    for (int h = 0; h < 2; h++, w += 4, q += 16) {
        i8 a = _mm256_maddubs_epi16(w[0], broadcast4(q)), b = _mm256_maddubs_epi16(w[1], broadcast4(q + 4));
        a = _mm256_add_epi16(a, _mm256_maddubs_epi16(w[2], broadcast4(q + 8)));
        b = _mm256_add_epi16(b, _mm256_maddubs_epi16(w[3], broadcast4(q + 12)));
        halves[h] = _mm256_madd_epi16(_mm256_add_epi16(a, b), factor);
    }
    return _mm256_add_epi32(halves[0], halves[1]);
}

/* Bit `bit` of every byte, worth 16. */
ALWAYS i8 fifth_bits(i8 bits, int bit) {
    i8 moved = bit < 4 ? _mm256_slli_epi16(bits, 4 - bit) : _mm256_srli_epi16(bits, bit - 4);
    return _mm256_and_si256(moved, _mm256_set1_epi8(16));
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
        fetch_ahead(w, Q4_0_BYTES, n);
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
        fetch_ahead(w, Q4_1_BYTES, n);
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

ALWAYS void load_five_bits32(const uint8_t *bits, i8 *out) { /* nibbles stand behind the bits */
    i8 fifth = load(bits);
    load_nibbles32(bits + 32, out);
    for (int g = 0; g < 8; g++) out[g] = _mm256_or_si256(out[g], fifth_bits(fifth, g));
}

KERNEL(dot_q5_0, column32) {
    const i8 ones = _mm256_set1_epi16(1);
    for (int64_t b = 0; b < blocks; b++, w += Q5_0_BYTES) {
        fetch_ahead(w, Q5_0_BYTES, n);
        i8 numbers[8];
        load_five_bits32(w + 16, numbers);
        f8 d = f8_from_half((const uint16_t *)w);
        for (int c = 0; c < n; c++) {
            const column32 *column = x[c] + b;
            i8 sum = products32_of_five_bits(numbers, column->q, ones);
            sum = _mm256_sub_epi32(sum, _mm256_set1_epi32(16 * column->total));
            acc[c] = f8_fma(f8_mul(d, f8_set(column->scale)), to_float(sum), acc[c]);
        }
    }
}

KERNEL(dot_q5_1, column32) {
    const i8 ones = _mm256_set1_epi16(1);
    for (int64_t b = 0; b < blocks; b++, w += Q5_1_BYTES) {
        fetch_ahead(w, Q5_1_BYTES, n);
        i8 numbers[8];
        load_five_bits32(w + 32, numbers);
        f8 d = f8_from_half((const uint16_t *)w), m = f8_from_half((const uint16_t *)(w + 16));
        for (int c = 0; c < n; c++) {
            const column32 *column = x[c] + b;
            i8 sum = products32_of_five_bits(numbers, column->q, ones);
            acc[c] = f8_fma(f8_mul(d, f8_set(column->scale)), to_float(sum), acc[c]);
            acc[c] = f8_fma(m, f8_set(column->sum), acc[c]);
        }
    }
}

KERNEL(dot_q8_0, column32) {
    const i8 ones = _mm256_set1_epi16(1);
    for (int64_t b = 0; b < blocks; b++, w += Q8_0_BYTES) {
        fetch_ahead(w, Q8_0_BYTES, n);
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

/* Pairs of factors, one of which stands every eight bytes, times a column's sums. */
ALWAYS i8 pair_sums(const i8 *factors, const int16_t *column_sums, const int pairs) {
    i8 sum = _mm256_setzero_si256();
    for (int p = 0; p < pairs; p++)
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(factors[p], broadcast4(column_sums + p * 2)));
    return sum;
}

/* What the sub-blocks' products, `sum`, and minima add to columns; `w` begins with the scales of Q4_K or Q5_K. */
ALWAYS void add_with_minima(const uint8_t *w, const column256 *const *x, int64_t b, const i8 *sum, const int n, f8 *acc) {
    f8 d = f8_from_half((const uint16_t *)w), dmin = f8_from_half((const uint16_t *)(w + 16));
    i8 minima[4];
    for (int p = 0; p < 4; p++) minima[p] = paired(w + 96 + p * 16, 0);
    for (int c = 0; c < n; c++) {
        f8 scale = f8_set(x[c][b].scale);
        acc[c] = f8_fma(f8_mul(d, scale), to_float(sum[c]), acc[c]);
        f8 lowest = to_float(pair_sums(minima, x[c][b].sum32, 4));
        acc[c] = f8_fma(f8_mul(dmin, f8_sub(f8_zero(), scale)), lowest, acc[c]);
    }
}

ALWAYS void load_nibbles_of(int sub, const uint8_t *w, i8 *out) { /* of 256 numbers those of sub-block `sub` */
    for (int g = 0; g < 8; g++) {
        i8 bytes = load(w + sub / 2 * 256 + g * 32);
        out[g] = sub % 2 ? high_nibbles(bytes) : low_nibbles(bytes);
    }
}

KERNEL(dot_q4_k, column256) {
    for (int64_t b = 0; b < blocks; b++, w += Q4_K_BYTES) {
        fetch_ahead(w, Q4_K_BYTES, n);
        i8 sum[TILE];
        for (int c = 0; c < n; c++) sum[c] = _mm256_setzero_si256();
        for (int sub = 0; sub < 8; sub++) {
            i8 numbers[8], scale = twice(w + 32 + sub * 8, 0);
            load_nibbles_of(sub, w + 160, numbers);
            for (int c = 0; c < n; c++) {
                i8 products = products32(numbers, x[c][b].q + sub * 32);
                sum[c] = _mm256_add_epi32(sum[c], _mm256_madd_epi16(products, scale));
            }
        }
        add_with_minima(w, x, b, sum, n, acc);
    }
}

KERNEL(dot_q5_k, column256) {
    for (int64_t b = 0; b < blocks; b++, w += Q5_K_BYTES) {
        fetch_ahead(w, Q5_K_BYTES, n);
        i8 sum[TILE];
        for (int c = 0; c < n; c++) sum[c] = _mm256_setzero_si256();
        for (int sub = 0; sub < 8; sub++) {
            i8 numbers[8], scale = twice(w + 32 + sub * 8, 0);
            load_nibbles_of(sub, w + 160 + 256, numbers);
            for (int g = 0; g < 8; g++)
                numbers[g] = _mm256_or_si256(numbers[g], fifth_bits(load(w + 160 + g * 32), sub));
            for (int c = 0; c < n; c++)
                sum[c] = _mm256_add_epi32(sum[c], products32_of_five_bits(numbers, x[c][b].q + sub * 32, scale));
        }
        add_with_minima(w, x, b, sum, n, acc);
    }
}

/* Numbers 128 half + 32 stream + 4 g to + 3 of eight rows. */
ALWAYS i8 six_bits(const uint8_t *w, int half, const int stream, int g) {
    i8 low = load(w + 144 + half * 512 + stream % 2 * 256 + g * 32), bits = load(w + 144 + 1024 + half * 256 + g * 32);
    low = stream < 2 ? low_nibbles(low) : high_nibbles(low);
    bits = stream == 0 ? _mm256_slli_epi16(bits, 4) : stream == 1 ? _mm256_slli_epi16(bits, 2)
         : stream == 2 ? bits : _mm256_srli_epi16(bits, 2);
    return _mm256_or_si256(low, _mm256_and_si256(bits, _mm256_set1_epi8(0x30)));
}

KERNEL(dot_q6_k, column256) {
    for (int64_t b = 0; b < blocks; b++, w += Q6_K_BYTES) {
        fetch_ahead(w, Q6_K_BYTES, n);
        i8 sum[TILE];
        for (int c = 0; c < n; c++) sum[c] = _mm256_setzero_si256();
        for (int half = 0; half < 2; half++) {
#pragma GCC unroll 4 /* so that the shifts by stream are known: a fifth of the time with one column */
            for (int stream = 0; stream < 4; stream++) {
                for (int quad = 0; quad < 2; quad++) { /* 16 columns with one scale */
                    i8 numbers[4], scale = twice(w + 16 + (half * 8 + stream * 2 + quad) * 8, 1);
                    for (int i = 0; i < 4; i++) numbers[i] = six_bits(w, half, stream, quad * 4 + i);
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
        i8 scales[8];
        for (int p = 0; p < 8; p++) scales[p] = paired(w + 16 + p * 16, 1);
        for (int c = 0; c < n; c++) { /* numbers stand for -32 to 31 */
            i8 total = _mm256_sub_epi32(sum[c], _mm256_slli_epi32(pair_sums(scales, x[c][b].sum16, 8), 5));
            acc[c] = f8_fma(f8_mul(d, f8_set(x[c][b].scale)), to_float(total), acc[c]);
        }
    }
}
