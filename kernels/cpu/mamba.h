#ifndef QUARRY_MAMBA_H
#define QUARRY_MAMBA_H
#include "quarry_cpu.h"

int64_t mamba_inner(const qc_model *model);    /* heads * head_dim */
int64_t mamba_channels(const qc_model *model); /* of the convolution: inner + 2 * groups * state */

/* Causal convolution and SiLU of channels [first, last) (multiples of 8) over `count` columns; `raw` column i begins at
 * raw + i * stride. `state` [conv_width - 1][channels] is read and then holds the newest raw columns. */
void convolve(const qc_model *model, const qc_layer *layer, int64_t first, int64_t last, int32_t count, const float *raw,
              int64_t stride, float *state, float *out, int64_t out_stride);

/* Read `count` columns into one head's state [state][head_dim], which was `before` (the same memory, or another state's);
 * y column i goes to y + i * y_stride. `mixed` is what
 * `convolve` gave: x | B | C; `dt` points at this head's raw step sizes. */
void scan_head(const qc_model *model, const qc_layer *layer, int32_t head, int32_t count, const float *mixed,
               int64_t stride, const float *dt, int64_t dt_stride, const float *before, float *state, float *y,
               int64_t y_stride);

/* y <- RMSNorm(y * silu(gate)) * weight, each group of channels by itself. */
void gated_norm(const qc_model *model, const qc_layer *layer, float *y, const float *gate);
#endif
