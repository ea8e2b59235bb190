/* Eight rows times sixteen columns with AVX2, for the formats of 256 numbers. Included by matmul.c alone.
 *
 * A block's numbers are unpacked once, into the first-level cache. Then four numbers of a row, broadcast, meet four of each
 * of eight columns in one maddubs; four rows and sixteen columns together, so that six loads serve eight of them. (In
 * dot_avx2.h every maddubs has a load of its own.) Per output the float operations are those of dot_avx2.h.
 *
 * Floor: 9 multiplications for 256 products on two ports, 57 products a cycle; measured on Zen 3: 32, dot_avx2.h 23
 * (docs/bench/products.py). */
typedef struct { /* of eight rows */
    int8_t numbers[64][8][4];                  /* four of each row, none below zero */
    int16_t scales[16][8][2], minima[4][8][2]; /* each scale twice; two minima each */
    int32_t sums[8][WIDE];
} unpacked256;

ALWAYS void store(void *p, i8 x) { _mm256_storeu_si256((__m256i *)p, x); }

/* Sums of products times their scales. `steps` of four numbers have one scale, and the sum of `deep` of them fits into 16
 * bits, with the offset if `shifted` (sums on the way to it may not: they wrap, and wrap back). */
ALWAYS void wide_sums(unpacked256 *u, const wide256 *x, const int steps, const int deep, const int shifted) {
    for (int first = 0; first < 8; first += 4) {
        i8 sums[4][2];
        for (int r = 0; r < 4; r++) sums[r][0] = sums[r][1] = _mm256_setzero_si256();
        for (int step = 0; step < 64; step += deep) {
            i8 products[4][2];
            for (int r = 0; shifted && r < 4; r++) {
                products[r][0] = load(x->offsets[step / steps]);
                products[r][1] = load(x->offsets[step / steps][8]);
            }
#pragma GCC unroll 8
            for (int d = 0; d < deep; d++) {
                i8 left = load(x->q[step + d]), right = load(x->q[step + d][8]);
#pragma GCC unroll 4
                for (int r = 0; r < 4; r++) {
                    i8 row = broadcast4(u->numbers[step + d][first + r]);
                    i8 a = _mm256_maddubs_epi16(row, left), b = _mm256_maddubs_epi16(row, right);
                    products[r][0] = d || shifted ? _mm256_add_epi16(products[r][0], a) : a;
                    products[r][1] = d || shifted ? _mm256_add_epi16(products[r][1], b) : b;
                    /* Added here and now: compilers keep all products for later, and registers do not suffice. */
                    __asm__("" : "+x"(products[r][0]), "+x"(products[r][1]));
                }
            }
#pragma GCC unroll 4
            for (int r = 0; r < 4; r++) {
                i8 scale = broadcast4(u->scales[step / steps][first + r]);
                sums[r][0] = _mm256_add_epi32(sums[r][0], _mm256_madd_epi16(products[r][0], scale));
                sums[r][1] = _mm256_add_epi32(sums[r][1], _mm256_madd_epi16(products[r][1], scale));
            }
        }
        for (int r = 0; r < 4; r++) {
            store(u->sums[first + r], sums[r][0]);
            store(u->sums[first + r] + 8, sums[r][1]);
        }
    }
}

/* Row r's minima times the sums of eight columns. */
ALWAYS i8 wide_minima(const unpacked256 *u, int r, const wide256 *x, int half) {
    i8 sum = _mm256_setzero_si256();
    for (int p = 0; p < 4; p++) {
        i8 product = _mm256_madd_epi16(broadcast4(u->minima[p][r]), load(x->sum32[p][half * 8]));
        sum = _mm256_add_epi32(sum, product);
    }
    return sum;
}

ALWAYS void wide_with_minima(const uint8_t *w, const wide256 *x, unpacked256 *u, const int deep, f8 (*acc)[2]) {
    float d[8], dmin[8];
    f8_store(d, f8_from_half((const uint16_t *)w));
    f8_store(dmin, f8_from_half((const uint16_t *)(w + 16)));
    for (int sub = 0; sub < 8; sub++) store(u->scales[sub], twice(w + 32 + sub * 8, 0));
    for (int p = 0; p < 4; p++) store(u->minima[p], paired(w + 96 + p * 16, 0));
    wide_sums(u, x, 8, deep, 0);
    for (int r = 0; r < 8; r++) {
        for (int half = 0; half < 2; half++) {
            f8 scale = f8_load(x->scale + half * 8), minima = to_float(wide_minima(u, r, x, half));
            f8 sum = f8_fma(f8_mul(f8_set(d[r]), scale), to_float(load(u->sums[r] + half * 8)), acc[r][half]);
            acc[r][half] = f8_fma(f8_mul(f8_set(dmin[r]), f8_sub(f8_zero(), scale)), minima, sum);
        }
    }
}

ALWAYS void wide_q4_k(const uint8_t *w, const wide256 *x, f8 (*acc)[2]) {
    unpacked256 u;
    for (int sub = 0; sub < 8; sub++) {
        i8 numbers[8];
        load_nibbles_of(sub, w + 160, numbers);
        for (int g = 0; g < 8; g++) store(u.numbers[sub * 8 + g], numbers[g]);
    }
    wide_with_minima(w, x, &u, 8, acc);
}

ALWAYS void wide_q5_k(const uint8_t *w, const wide256 *x, f8 (*acc)[2]) {
    unpacked256 u;
    for (int sub = 0; sub < 8; sub++) {
        i8 numbers[8];
        load_nibbles_of(sub, w + 160 + 256, numbers);
        for (int g = 0; g < 8; g++)
            store(u.numbers[sub * 8 + g], _mm256_or_si256(numbers[g], fifth_bits(load(w + 160 + g * 32), sub)));
    }
    wide_with_minima(w, x, &u, 4, acc);
}

ALWAYS void wide_q6_k(const uint8_t *w, const wide256 *x, f8 (*acc)[2]) {
    unpacked256 u;
    float d[8];
    for (int half = 0; half < 2; half++) {
#pragma GCC unroll 4
        for (int stream = 0; stream < 4; stream++)
            for (int g = 0; g < 8; g++) store(u.numbers[half * 32 + stream * 8 + g], six_bits(w, half, stream, g));
    }
    for (int j = 0; j < 16; j++) store(u.scales[j], twice(w + 16 + j * 8, 1));
    wide_sums(&u, x, 4, 4, 1); /* with the offset numbers are -32 to 31: 4 * 2 * 32 * 127 < 2^15 */
    f8_store(d, f8_from_half((const uint16_t *)w));
    for (int r = 0; r < 8; r++) {
        for (int half = 0; half < 2; half++) {
            f8 total = to_float(load(u.sums[r] + half * 8));
            acc[r][half] = f8_fma(f8_mul(f8_set(d[r]), f8_load(x->scale + half * 8)), total, acc[r][half]);
        }
    }
}

/* The products of a packed group with sixteen columns: out[c] has column c's eight rows. */
static void dot_wide(int32_t format, const uint8_t *w, const wide256 *x, int64_t blocks, f8 *out) {
    f8 acc[8][2];
    for (int r = 0; r < 8; r++) acc[r][0] = acc[r][1] = f8_zero();
    int64_t bytes = block_bytes(format);
    for (int64_t b = 0; b < blocks; b++, w += bytes, x++) {
        fetch_ahead(w, (int)bytes, WIDE);
        if (format == QC_Q4_K) wide_q4_k(w, x, acc);
        if (format == QC_Q5_K) wide_q5_k(w, x, acc);
        if (format == QC_Q6_K) wide_q6_k(w, x, acc);
    }
    float rows[8][WIDE], columns[WIDE][8];
    memcpy(rows, acc, sizeof rows);
    for (int c = 0; c < WIDE; c++) {
        for (int r = 0; r < 8; r++) columns[c][r] = rows[r][c];
        out[c] = f8_load(columns[c]);
    }
}

void widen256(const column256 *columns, int64_t stride, wide256 *out) {
    for (int c = 0; c < WIDE; c++, columns += stride) {
        for (int i = 0; i < 64; i++) memcpy(out->q[i][c], columns->q + i * 4, 4);
        for (int i = 0; i < 4; i++) memcpy(out->sum32[i][c], columns->sum32 + i * 2, 4);
        out->scale[c] = columns->scale;
    }
    for (int group = 0; group < 16; group++) {
        for (int c = 0; c < WIDE; c += 8) {
            i8 sum = _mm256_setzero_si256();
            for (int i = 0; i < 4; i++)
                sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(_mm256_set1_epi8(1), load(out->q[group * 4 + i][c])));
            store(out->offsets[group][c], _mm256_sub_epi16(_mm256_setzero_si256(), _mm256_slli_epi16(sum, 5)));
        }
    }
}
