#include "pages.h"

int64_t qc_page_bytes(const qc_model *model) {
    int64_t scales = model->kv_format == QC_Q8_0 ? QC_PAGE * 4 : 0;
    return 2 * model->kv_heads * (plane_bytes(model) + scales);
}

/* Keep one vector of a head: number d at index first + d * step of its plane. */
static void keep(const qc_model *model, uint8_t *page, int64_t plane, int64_t place, const float *x, int64_t first,
                 int64_t step) {
    uint8_t *numbers = page + plane * plane_bytes(model);
    float inverse = 0.0f;
    if (model->kv_format == QC_Q8_0) {
        float largest = largest_size(x, model->head_dim);
        inverse = largest > 0.0f ? 127.0f / largest : 0.0f;
        scales_of(model, page, plane)[place] = largest / 127.0f;
    }
    for (int64_t d = 0; d < model->head_dim; d++) {
        int64_t i = first + d * step;
        switch (model->kv_format) {
        case QC_F32: ((float *)numbers)[i] = x[d]; break;
        case QC_F16: ((uint16_t *)numbers)[i] = float_to_half(x[d]); break;
        default: ((int8_t *)numbers)[i] = (int8_t)lrintf(x[d] * inverse);
        }
    }
}

void append_column(const qc_model *model, uint8_t *const *pages, int64_t position, const float *keys, const float *values) {
    int64_t width = model->head_dim, place = position % QC_PAGE;
    uint8_t *page = pages[position / QC_PAGE];
    for (int64_t h = 0; h < model->kv_heads; h++) {
        keep(model, page, h, place, keys + h * width, place, QC_PAGE);
        keep(model, page, model->kv_heads + h, place, values + h * width, place * width, 1);
    }
}
