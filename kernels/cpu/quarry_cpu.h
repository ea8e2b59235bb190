/* The CPU engine's plain C interface, loaded through ctypes (kernels/cpu/library.py mirrors every struct).
 *
 * One call of qc_step reads a batch of tokens through a whole decoder. Two rules hold everywhere:
 *
 * 1. A number depends on its own sequence alone. Every sum runs in an order fixed by the shapes (never by the number of
 *    columns, threads or the place where a prompt was cut), so equal prefixes give equal bits: alone or in a batch,
 *    in one chunk or token by token, fresh or from a snapshot.
 * 2. Nothing is allocated in a step. Scratch memory belongs to the context, states belong to the caller.
 *
 * Words: a column is one token's activations; a group is eight rows of a packed matrix. */
#ifndef QUARRY_CPU_H
#define QUARRY_CPU_H
#include <stdint.h>

#if defined(_WIN32)
#define QC_API __declspec(dllexport)
#else
#define QC_API __attribute__((visibility("default")))
#endif

#define QC_ABI 7
#define QC_GROUP 8       /* rows packed beside each other */
#define QC_PAGE 64       /* tokens in a page of keys and values */
#define QC_SEGMENT 512   /* tokens whose attention is summed before segments are combined */

enum { /* ggml's ids */
    QC_F32 = 0, QC_F16 = 1, QC_Q4_0 = 2, QC_Q4_1 = 3, QC_Q5_0 = 6, QC_Q5_1 = 7, QC_Q8_0 = 8, QC_Q4_K = 12, QC_Q5_K = 13,
    QC_Q6_K = 14, QC_BF16 = 30,
};
enum { QC_ATTENTION = 0, QC_MAMBA = 1 };
enum { QC_NO_ROPE = 0, QC_ROPE_PAIRS = 1, QC_ROPE_HALVES = 2 };

typedef struct {
    const uint8_t *data; /* groups of eight rows, see pack.c; the last one is filled up with zeros */
    int64_t rows, columns;
    int32_t format;
    int32_t reserved;
    const float *bias; /* [rows, up to eight], added to each product; NULL: none */
} qc_matrix;

typedef struct {
    int32_t kind;
    int32_t index; /* among the layers of its kind */
    const float *norm1, *norm2;
    qc_matrix q, k, v, o;             /* attention */
    qc_matrix in_proj, out_proj;      /* Mamba-2 */
    const float *conv_weight;         /* [conv_width][channels], oldest token first */
    const float *conv_bias;           /* [channels] */
    const float *dt_bias, *a, *d;     /* [mamba_heads]; a = -exp(A_log) */
    const float *gate_norm;           /* [inner] */
    qc_matrix gate_up, down;          /* gate_up: a group of gate rows, then the group of up rows, and so on */
    qc_matrix router;                 /* [experts][hidden] */
    qc_matrix expert_gate_up, expert_down; /* of all experts, one after another */
} qc_layer;

typedef struct {
    int32_t hidden, intermediate, vocabulary, layer_count;
    int32_t heads, kv_heads, head_dim, rope;
    int32_t mamba_heads, mamba_head_dim, state, state_groups;
    int32_t experts, experts_used, expert_intermediate, reserved; /* with experts, `intermediate` may be 0 */
    int32_t conv_width, kv_format; /* QC_F16, QC_F32 or QC_Q8_0: how keys and values are kept */
    float epsilon, embedding_multiplier, residual_multiplier, attention_multiplier, logits_divisor;
    float dt_low, dt_high, reserved_float; /* bounds of Mamba's step sizes */
    const double *inverse_frequencies; /* [head_dim / 2] */
    const float *norm;
    qc_matrix embed, head;
    const qc_layer *layers;
} qc_model;

typedef struct {
    int32_t position;           /* tokens read before this step */
    int32_t start, count;       /* its columns in this step */
    int32_t page_capacity;      /* pages of each layer in `pages` */
    uint8_t *const *pages;      /* [attention layers][page_capacity], each qc_page_bytes */
    float *const *conv;         /* [mamba layers], each [conv_width - 1][channels], oldest first */
    float *const *ssm;          /* [mamba layers], each [mamba_heads][state][mamba_head_dim] */
    float *const *ssm_before;   /* the same, read in place of `ssm`, which is only written then; or NULL */
} qc_sequence;

typedef struct {
    const int32_t *tokens;      /* [columns] */
    const qc_sequence *sequences;
    const int32_t *logit_columns;
    float *logits;              /* [logit_count][vocabulary] */
    int32_t columns, sequence_count, logit_count, reserved;
} qc_batch;

typedef struct qc_context qc_context;

QC_API int32_t qc_abi(void);
QC_API int32_t qc_supported(void);                                   /* whether this processor has what the code uses */
QC_API int64_t qc_packed_bytes(int32_t format, int64_t rows, int64_t columns); /* 0: unknown format or odd columns */
/* Pack rows [first, last) of a stored matrix (row-major blocks); `spread` 2 leaves every other group free. */
QC_API void qc_pack(int32_t format, int64_t rows, int64_t columns, const uint8_t *source, uint8_t *target, int64_t first,
                    int64_t last, int32_t spread);
QC_API void qc_unpack_row(const qc_matrix *matrix, int64_t row, float *out);
/* `count` numbers, all finite and none beyond a half's range, to stored blocks of Q8_0, Q5_0, Q4_K or Q6_K: how many
 * bytes. 0: another format, or not whole blocks. */
QC_API int64_t qc_quantize(int32_t format, int64_t count, const float *values, uint8_t *out);
QC_API int64_t qc_page_bytes(const qc_model *model);
QC_API qc_context *qc_open(const qc_model *model, int32_t max_columns, int32_t threads); /* NULL: no memory */
QC_API void qc_close(qc_context *context);
QC_API void qc_step(qc_context *context, const qc_batch *batch);
/* One matrix product, for tests: out[column][row] from float32 columns. */
QC_API void qc_linear(qc_context *context, const qc_matrix *matrix, const float *input, int32_t columns, float *out);
#endif
