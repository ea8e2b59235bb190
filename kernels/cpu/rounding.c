/* Activations rounded to 8 bits, in blocks. */
#include "formats.h"

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
        float most = largest_size(x, 32), scale = most / 127.0f;
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
        float most = largest_size(x, 256), inverse = most != 0.0f ? 127.0f / most : 0.0f;
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
