#ifndef QUARRY_ATTENTION_H
#define QUARRY_ATTENTION_H
#include "quarry_cpu.h"

/* One partial sum: highest score, sum of weights, weighted values [head_dim]. */
int64_t partial_floats(const qc_model *model);
int64_t attention_scratch_floats(const qc_model *model); /* a thread's own, for `attend` */

/* Queries of `columns` neighbouring columns for one key-value head, the first at `position`; column i's queries begin at
 * queries + i * stride, [heads][head_dim]. Results go to out + i * out_stride likewise. */
void attend(const qc_model *model, uint8_t *const *pages, int64_t position, int32_t kv_head, int32_t columns,
            const float *queries, int64_t stride, float *out, int64_t out_stride, float *scratch);

/* The same in two parts for one column: a segment's partial sums [group][partial_floats], then all segments' result. */
void attend_segment(const qc_model *model, uint8_t *const *pages, int64_t position, int32_t kv_head, int64_t segment,
                    const float *queries, float *partials, float *scratch);
void combine_segments(const qc_model *model, int64_t segments, int32_t kv_head, const float *partials, int64_t stride,
                      float *out);
#endif
