/* Pages of keys and values, as attention reads them and as qc_step fills them.
 *
 * A page holds 64 tokens: keys as [kv_heads][head_dim][64], so that eight scores grow in one vector without sums across
 * lanes, then values as [kv_heads][64][head_dim], in half precision, float32 or 8 bits. Of 8 bits each token's key and
 * value have one scale a head, which stand after the numbers as [2][kv_heads][64]: a key's goes into its score, a
 * value's into its weight. */
#ifndef QUARRY_PAGES_H
#define QUARRY_PAGES_H
#include "quarry_cpu.h"
#include "simd.h"

ALWAYS int64_t cached_bytes(const int32_t format) { return format == QC_F32 ? 4 : format == QC_F16 ? 2 : 1; }

/* One head's keys or values in a page. */
ALWAYS int64_t plane_bytes(const qc_model *model) {
    return model->head_dim * QC_PAGE * cached_bytes(model->kv_format);
}

/* The 64 scales of a plane; planes of keys come first. */
ALWAYS float *scales_of(const qc_model *model, const uint8_t *page, int64_t plane) {
    return (float *)(page + 2 * model->kv_heads * plane_bytes(model)) + plane * QC_PAGE;
}

/* Eight cached numbers from index i on; `format` is a constant where this is inlined. */
ALWAYS f8 cached(const uint8_t *numbers, int64_t i, const int32_t format) {
    return format == QC_F32   ? f8_load((const float *)numbers + i)
           : format == QC_F16 ? f8_from_half((const uint16_t *)numbers + i)
                              : f8_from_bytes((const int8_t *)numbers + i);
}

/* Keep keys and values of one column, [kv_heads][head_dim] each, at `position` of a page table. */
void append_column(const qc_model *model, uint8_t *const *pages, int64_t position, const float *keys, const float *values);
#endif
