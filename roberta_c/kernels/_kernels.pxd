# What _kernels.pyx calls in csrc/: roberta_c.h as Cython sees it; formulas and shapes stand there.

from libc.stdint cimport int32_t, int64_t, uint64_t


cdef extern from "float_state.h" nogil:
    uint64_t rc_float_state_enter()
    void rc_float_state_leave(uint64_t)


cdef extern from "roberta_c.h" nogil:
    ctypedef enum rc_activation:
        RC_NO_ACTIVATION
        RC_GELU
        RC_GELU_NEW
        RC_RELU
        RC_TANH

    ctypedef enum rc_pooling:
        RC_POOL_FIRST
        RC_POOL_LAST
        RC_POOL_MEAN
        RC_POOL_MEAN_SQRT
        RC_POOL_WEIGHTED_MEAN
        RC_POOL_MAX

    ctypedef enum rc_dtype:
        RC_FLOAT32
        RC_FLOAT16
        RC_BFLOAT16
        RC_FLOAT64

    ctypedef enum rc_arithmetic:
        RC_FP32
        RC_BF16
        RC_BF16_WEIGHTS
        RC_INT8
        RC_INT8_PAIRS
        RC_INT8_WEIGHTS

    ctypedef enum rc_row_format:
        pass

    ctypedef enum:
        RC_LONGEST_INT8

    ctypedef enum:
        RC_LAYOUT_VERSION

    ctypedef float rc_word

    ctypedef struct rc_operands:
        rc_row_format row_format

    rc_operands rc_operands_of(rc_arithmetic)
    bint rc_is_int8(rc_arithmetic)
    bint rc_converts_rows(rc_arithmetic)
    size_t rc_row_words(rc_arithmetic, size_t)
    size_t rc_panel_rows(rc_arithmetic, size_t)

    ctypedef struct rc_linear:
        const rc_word *panels_pkn
        const float *bias_n
        const float *smooth_k
        size_t sections
        size_t n
        size_t k
        rc_arithmetic arithmetic

    ctypedef struct rc_quantization:
        float scale
        int32_t zero_point

    ctypedef struct rc_input_rows:
        const rc_word *rows
        size_t ld
        const rc_quantization *quantization_m

    ctypedef struct rc_output_rows:
        rc_row_format format
        rc_word *rows
        size_t ld
        rc_quantization *quantization_m
        const float *smooth_k

    ctypedef struct rc_epilogue:
        rc_activation activation
        const float *residual_mn
        size_t ld_residual
        rc_output_rows converted
        const rc_linear *next_linear

    ctypedef struct rc_norm:
        const float *weight_h
        const float *bias_h
        float eps

    ctypedef struct rc_sequences:
        size_t s
        const int64_t *starts_s
        const int64_t *wanted_r
        const int64_t *wanted_starts_s

    ctypedef struct rc_attention:
        rc_arithmetic arithmetic
        const rc_word *qkv_t3h
        size_t ld_qkv
        const rc_sequences *sequences
        size_t heads
        size_t h
        float *context_th
        size_t ld_context
        rc_output_rows converted

    ctypedef struct rc_encoder_layer:
        rc_linear qkv
        rc_linear attention_output
        rc_norm attention_norm
        rc_linear up
        rc_linear down
        rc_norm output_norm
        size_t heads
        rc_activation activation
        rc_arithmetic attention_arithmetic
        const rc_linear *next_linear

    ctypedef struct rc_workspace:
        float *qkv_t3h
        float *context_th
        float *attended_th
        float *up_tf
        size_t ld_qkv
        size_t ld_hidden
        size_t ld_up
        rc_output_rows x_rows
        rc_output_rows context_rows
        rc_output_rows attended_rows
        rc_output_rows up_rows
        float *scratch
        size_t scratch_per_thread

    ctypedef struct rc_embeddings:
        const void *word_vh
        rc_dtype word_dtype
        const float *position_ph
        const float *token_type_gh
        rc_norm norm
        size_t h

    ctypedef struct rc_team:
        int stopped

    void rc_team_wait(rc_team *, size_t)
    size_t rc_next_unit(rc_team *, size_t, size_t)

    ctypedef void rc_share(void *, rc_team *, size_t, size_t) noexcept nogil
    ctypedef int rc_poll() noexcept nogil

    ctypedef struct rc_team_run:
        size_t nth
        int error
        int cancelled

    rc_team_run rc_run_team(rc_share *, void *, size_t, rc_poll *)
    size_t rc_stack_left()
    const size_t RC_STACK

    ctypedef struct rc_kernels:
        const char *name
        size_t mr
        size_t nr
        void (*widen)(const void *, rc_dtype, size_t, float *) noexcept nogil
        int (*pack_linear)(rc_arithmetic, const float *, const float *, size_t, size_t, rc_word *, size_t,
                           size_t) noexcept nogil
        void (*column_sizes)(const float *, size_t, size_t, float *) noexcept nogil
        void (*linear)(const rc_kernels *, const rc_linear *, const rc_input_rows *, size_t, const rc_epilogue *,
                       float *, size_t, rc_team *, size_t, size_t) noexcept nogil
        void (*convert_rows)(const float *, size_t, size_t, size_t, const rc_output_rows *, size_t,
                             size_t) noexcept nogil
        void (*attention)(const rc_kernels *, const rc_attention *, float *, rc_team *, size_t,
                          size_t) noexcept nogil
        void (*layer_norm)(const rc_norm *, const float *, size_t, size_t, size_t, float *, size_t,
                           const rc_output_rows *, size_t, size_t) noexcept nogil
        void (*activate)(rc_activation, const float *, size_t, float *, size_t, size_t) noexcept nogil
        void (*exponentiate)(const float *, size_t, float *) noexcept nogil
        void (*exp2_short)(const float *, size_t, float *) noexcept nogil
        void (*embed)(const rc_embeddings *, const int64_t *, const int64_t *, const int64_t *, size_t, float *,
                      size_t, const rc_output_rows *, size_t, size_t) noexcept nogil
        void (*encoder_layer)(const rc_kernels *, const rc_encoder_layer *, const rc_sequences *, float *, size_t,
                              const rc_workspace *, rc_team *, size_t, size_t) noexcept nogil
        void (*pool)(rc_pooling, const float *, size_t, const int64_t *, size_t, size_t, size_t, float *, size_t, size_t,
                     size_t) noexcept nogil

    ctypedef enum rc_status:
        RC_OK
        RC_UNKNOWN_ISA

    uint64_t rc_digest(const void *, size_t)
    const char *rc_status_message(rc_status)
    size_t rc_isa_count()
    const char *rc_isa_name(size_t)
    bint rc_isa_available(size_t)
    rc_status rc_select_kernels(const char *, rc_kernels *)
    rc_arithmetic rc_bfloat16_arithmetic(const rc_kernels *)
    rc_arithmetic rc_int8_arithmetic(const rc_kernels *)
    bint rc_can_multiply(const rc_kernels *, rc_arithmetic)
    rc_arithmetic rc_attention_arithmetic(const rc_kernels *, rc_arithmetic, size_t)
    rc_status rc_attention_scratch(const rc_kernels *, size_t, size_t, size_t *)
    size_t rc_cpu_feature_count()
    const char *rc_cpu_feature_name(size_t)
    bint rc_cpu_has_feature(size_t)
