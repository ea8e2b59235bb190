/* Eight floats at a time: AVX2 where the compiler targets it, plain loops (which compilers turn into NEON) elsewhere. */
#ifndef QUARRY_SIMD_H
#define QUARRY_SIMD_H
#include <math.h>
#include <stdint.h>
#include <string.h>

#define ALWAYS static inline __attribute__((always_inline))

ALWAYS float half_to_float(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = (half >> 10) & 31, mantissa = half & 1023, bits;
    if (exponent == 31) {
        bits = sign | 0x7f800000 | mantissa << 13;
    } else if (exponent) {
        bits = sign | (exponent + 112) << 23 | mantissa << 13;
    } else { /* subnormal: mantissa times 2^-24, exact in float32 */
        float value = (float)mantissa * 5.9604644775390625e-8f;
        return sign ? -value : value;
    }
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

/* Round to nearest, ties to even, as F16C does. */
ALWAYS uint16_t float_to_half(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    uint32_t sign = bits >> 16 & 0x8000, rest = bits & 0x7fffffff;
    if (rest >= 0x7f800000) return (uint16_t)(sign | 0x7c00 | (rest > 0x7f800000 ? 0x200 : 0));
    if (rest >= 0x477ff000) return (uint16_t)(sign | 0x7c00);
    if (rest < 0x38800000) { /* subnormal or zero */
        float scaled;
        memcpy(&scaled, &rest, 4);
        return (uint16_t)(sign | (uint32_t)lrintf(scaled * 16777216.0f));
    }
    uint32_t rounded = rest + 0xfff + (rest >> 13 & 1);
    return (uint16_t)(sign | (rounded - 0x38000000) >> 13);
}

ALWAYS float bf16_to_float(uint16_t bits16) {
    uint32_t bits = (uint32_t)bits16 << 16;
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

#if defined(__AVX2__)
#include <immintrin.h>
typedef __m256 f8;
ALWAYS f8 f8_zero(void) { return _mm256_setzero_ps(); }
ALWAYS f8 f8_set(float x) { return _mm256_set1_ps(x); }
ALWAYS f8 f8_load(const float *p) { return _mm256_loadu_ps(p); }
ALWAYS void f8_store(float *p, f8 x) { _mm256_storeu_ps(p, x); }
ALWAYS f8 f8_add(f8 a, f8 b) { return _mm256_add_ps(a, b); }
ALWAYS f8 f8_sub(f8 a, f8 b) { return _mm256_sub_ps(a, b); }
ALWAYS f8 f8_mul(f8 a, f8 b) { return _mm256_mul_ps(a, b); }
ALWAYS f8 f8_div(f8 a, f8 b) { return _mm256_div_ps(a, b); }
ALWAYS f8 f8_max(f8 a, f8 b) { return _mm256_max_ps(a, b); }
ALWAYS f8 f8_min(f8 a, f8 b) { return _mm256_min_ps(a, b); }
ALWAYS f8 f8_fma(f8 a, f8 b, f8 c) { return _mm256_fmadd_ps(a, b, c); }
ALWAYS f8 f8_round(f8 x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
ALWAYS f8 f8_abs(f8 x) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x); }
ALWAYS f8 f8_power_of_two(f8 n) { /* n whole, -126 to 127 */
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
}
ALWAYS f8 f8_from_half(const uint16_t *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)); }
ALWAYS void f8_to_half(uint16_t *p, f8 x) {
    _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
ALWAYS f8 f8_from_bytes(const int8_t *p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}
ALWAYS f8 f8_from_bf16(const uint16_t *p) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p)), 16));
}
#else
typedef struct { float v[8]; } f8;
#define F8_EACH(expression) f8 r; for (int i = 0; i < 8; i++) r.v[i] = (expression); return r
ALWAYS f8 f8_zero(void) { F8_EACH(0.0f); }
ALWAYS f8 f8_set(float x) { F8_EACH(x); }
ALWAYS f8 f8_load(const float *p) { F8_EACH(p[i]); }
ALWAYS void f8_store(float *p, f8 x) { memcpy(p, x.v, 32); }
ALWAYS f8 f8_add(f8 a, f8 b) { F8_EACH(a.v[i] + b.v[i]); }
ALWAYS f8 f8_sub(f8 a, f8 b) { F8_EACH(a.v[i] - b.v[i]); }
ALWAYS f8 f8_mul(f8 a, f8 b) { F8_EACH(a.v[i] * b.v[i]); }
ALWAYS f8 f8_div(f8 a, f8 b) { F8_EACH(a.v[i] / b.v[i]); }
ALWAYS f8 f8_max(f8 a, f8 b) { F8_EACH(a.v[i] > b.v[i] ? a.v[i] : b.v[i]); }
ALWAYS f8 f8_min(f8 a, f8 b) { F8_EACH(a.v[i] < b.v[i] ? a.v[i] : b.v[i]); }
ALWAYS f8 f8_fma(f8 a, f8 b, f8 c) { F8_EACH(fmaf(a.v[i], b.v[i], c.v[i])); }
ALWAYS f8 f8_round(f8 x) { F8_EACH(nearbyintf(x.v[i])); }
ALWAYS f8 f8_abs(f8 x) { F8_EACH(fabsf(x.v[i])); }
ALWAYS f8 f8_power_of_two(f8 n) { F8_EACH(ldexpf(1.0f, (int)n.v[i])); }
ALWAYS f8 f8_from_half(const uint16_t *p) { F8_EACH(half_to_float(p[i])); }
ALWAYS void f8_to_half(uint16_t *p, f8 x) { for (int i = 0; i < 8; i++) p[i] = float_to_half(x.v[i]); }
ALWAYS f8 f8_from_bytes(const int8_t *p) { F8_EACH((float)p[i]); }
ALWAYS f8 f8_from_bf16(const uint16_t *p) { F8_EACH(bf16_to_float(p[i])); }
#undef F8_EACH
#endif

/* Lanes are added in one fixed order. */
ALWAYS float f8_sum(f8 x) {
    float v[8];
    f8_store(v, x);
    return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
}

ALWAYS float f8_highest(f8 x) {
    float v[8], most;
    f8_store(v, x);
    most = v[0];
    for (int i = 1; i < 8; i++) most = v[i] > most ? v[i] : most;
    return most;
}

/* The number farthest from 0 of `count`, a multiple of eight, without its sign. */
ALWAYS float largest_size(const float *x, int64_t count) {
    f8 most = f8_zero();
    for (int64_t i = 0; i < count; i += 8) most = f8_max(most, f8_abs(f8_load(x + i)));
    return f8_highest(most);
}

/* e^x to about one unit in the last place; 0 below -87.3, so that a masked score of -infinity weighs nothing.
 * Range reduction and a Taylor polynomial of degree 7 on |r| <= ln(2)/2, whose remainder is under 4e-9. */
ALWAYS f8 f8_exp(f8 x) {
    f8 inside = f8_max(f8_min(x, f8_set(88.0f)), f8_set(-87.3f));
    f8 n = f8_round(f8_mul(inside, f8_set(1.44269504f)));
    f8 r = f8_fma(n, f8_set(-0.693359375f), inside);
    r = f8_fma(n, f8_set(2.12194440e-4f), r);
    f8 p = f8_set(1.98412698e-4f);
    p = f8_fma(p, r, f8_set(1.38888889e-3f));
    p = f8_fma(p, r, f8_set(8.33333333e-3f));
    p = f8_fma(p, r, f8_set(4.16666667e-2f));
    p = f8_fma(p, r, f8_set(1.66666667e-1f));
    p = f8_fma(p, r, f8_set(0.5f));
    p = f8_fma(p, r, f8_set(1.0f));
    p = f8_fma(p, r, f8_set(1.0f));
    f8 result = f8_mul(p, f8_power_of_two(n));
#if defined(__AVX2__)
    return _mm256_and_ps(result, _mm256_cmp_ps(x, _mm256_set1_ps(-87.3f), _CMP_GE_OQ));
#else
    for (int i = 0; i < 8; i++) result.v[i] = x.v[i] >= -87.3f ? result.v[i] : 0.0f;
    return result;
#endif
}

ALWAYS f8 f8_silu(f8 x) { return f8_div(x, f8_add(f8_set(1.0f), f8_exp(f8_sub(f8_zero(), x)))); }
#endif
