/* nxv: lazy, fused tensor operations on Vulkan compute. The C interface.
 *
 * Every function is thread-safe and reports failure through its status; nxv_last_error() then
 * holds a message for the calling thread. Nothing here waits, for the device or for a compiler, but
 * nxv_read, nxv_wait, nxv_trim, nxv_explain, nxv_function_explain, nxv_profile_begin and _end,
 * nxv_device_* and nxv_engine_open, _close and _describe. Arrays are copied before a call returns
 * unless stated.
 *
 * A tensor is a reference to a lazy value: operations build a graph and return at once; reading
 * computes what the value needs. Shapes are arrays of `rank` dimensions, at most 256 and each at
 * least 1, of at most 2^48 elements; what is read, and what kernels read for it, has fewer than
 * 2^31, but for elementwise operations, slices, reductions and products. Axes count from 0;
 * negative axes count from the end.
 *
 * Bad arguments are answered NXV_INVALID_ARGUMENT: NULL where nothing says that it may be, numbers
 * that are none of an enumeration, counts below 0 that mean nothing, tensors of different engines.
 * What a pointer that is not NULL points to is not checked.
 *
 * A function that fails sets the handles and texts that it should have written to NULL, where it is
 * known how many, and their number to 0. nxv_release, nxv_function_release, nxv_free_text and
 * nxv_engine_close take NULL and do nothing.
 *
 * Callbacks (nxv_read_fn, nxv_release_fn) must return, and wait for nothing that needs another
 * callback to run first: all of what waits, except nxv_device_* and nxv_engine_open, answers
 * NXV_INVALID_ARGUMENT in them.
 *
 * In a child that was forked, engines of the parent and their tensors and functions answer
 * NXV_DEVICE_LOST. They may be released.
 */
#ifndef NXV_NXV_H_
#define NXV_NXV_H_

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#if defined(NXV_BUILD)
#define NXV_API __declspec(dllexport)
#elif defined(NXV_STATIC) /* linked into the program, as objects of the library are */
#define NXV_API
#else
#define NXV_API __declspec(dllimport)
#endif
#else
#define NXV_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#define NXV_NOEXCEPT noexcept
#else
#define NXV_NOEXCEPT
#endif

#define NXV_VERSION_MAJOR 0
#define NXV_VERSION_MINOR 1
#define NXV_VERSION_PATCH 0

typedef struct nxv_engine nxv_engine; /* a device, opened */
typedef struct nxv_tensor nxv_tensor; /* one reference to a lazy value */

typedef enum nxv_status {
  NXV_OK = 0,
  NXV_INVALID_ARGUMENT = 1, /* shape, type, axis or option that the operation does not accept */
  NXV_SIZE_MISMATCH = 2,    /* shapes or byte counts that do not belong together */
  NXV_EMPTY_TENSOR = 3,     /* a dimension of zero */
  NXV_ALLOC_FAILED = 4,     /* no memory of device, budget or host; the device stays usable */
  NXV_DEVICE_LOST = 5,      /* the engine is dead; its tensors answer this; open another */
  NXV_NO_DEVICE = 6,        /* no Vulkan loader, or no device above the floor */
  NXV_UNSUPPORTED = 7,      /* the device lacks a capability, named in the message */
  NXV_OUT_OF_BOUNDS = 8,    /* a data-dependent index */
  NXV_ARITHMETIC = 9,       /* integer division by zero, negative exponent of an integer */
  NXV_DEALLOCATED = 10,     /* the tensor was given to nxv_deallocate */
  NXV_INTERNAL = 11,
  NXV_NEGATIVE_SHIFT = 12,    /* a data-dependent amount of a shift */
  NXV_SINGULAR = 13,          /* a matrix of a system of equations is singular */
  NXV_ANY_STATUS = 0x7fffffff /* no status: lets the type hold every int that C may pass */
} nxv_status;

typedef enum nxv_dtype {
  NXV_U2,
  NXV_U4,
  NXV_U8,
  NXV_U16,
  NXV_U32,
  NXV_U64,
  NXV_S2,
  NXV_S4,
  NXV_S8,
  NXV_S16,
  NXV_S32,
  NXV_S64,
  NXV_F8_E4M3FN,
  NXV_F8_E5M2,
  NXV_BF16,
  NXV_F16,
  NXV_F32,
  NXV_F64,
  NXV_C64,
  NXV_C128,
  NXV_ANY_DTYPE = 0x7fffffff /* no type, likewise */
} nxv_dtype;

/* How products of f32 are computed: the option "precision" of dot, matmul and conv. Fast ones
 * multiply factors that are rounded to eleven bits where the device has matrix units and the
 * product is large enough; docs/accuracy.md has the errors. Of other types there is one precision.
 */
typedef enum nxv_precision {
  NXV_ACCURATE,
  NXV_FAST,
  NXV_ANY_PRECISION = 0x7fffffff /* no precision, likewise */
} nxv_precision;

/* Message of the last failure on this thread; "" if there was none. Valid until the next call. */
NXV_API const char* nxv_last_error(void) NXV_NOEXCEPT;
/* "alloc_failed", "device_lost", ... */
NXV_API const char* nxv_status_name(nxv_status status) NXV_NOEXCEPT;
NXV_API const char* nxv_dtype_name(nxv_dtype type) NXV_NOEXCEPT;
NXV_API nxv_status nxv_dtype_from_name(const char* name, nxv_dtype* out) NXV_NOEXCEPT;
/* Bytes of `count` elements in the host layout: little endian, complex as re, im; u2, u4, s2, s4
 * bit-packed with the most significant bits first. 0 where no tensor has so many: below 0, above
 * 2^48, or of no type. */
NXV_API size_t nxv_host_bytes(nxv_dtype type, int64_t count) NXV_NOEXCEPT;

/* ---- Operations as data: the op table ---- */

typedef struct nxv_op_row {
  const char* name;
  int arity;          /* -1: any number of operands */
  int is_elementwise; /* unary, binary or ternary operation of nxv_apply */
} nxv_op_row;

NXV_API int nxv_op_count(void) NXV_NOEXCEPT;
NXV_API nxv_status nxv_op_info(int op, nxv_op_row* out) NXV_NOEXCEPT;
/* Index of the operation of that name, or -1. */
NXV_API int nxv_op_find(const char* name) NXV_NOEXCEPT;

/* ---- Devices and engines ---- */

typedef struct nxv_device_info {
  char name[256];
  char driver[256];
  uint32_t vendor_id;
  uint32_t api_version; /* as VkPhysicalDeviceProperties::apiVersion */
  int is_cpu;
  int is_supported;      /* above the floor */
  uint64_t memory_bytes; /* of the device-local heaps */
} nxv_device_info;

NXV_API nxv_status nxv_device_count(int* out) NXV_NOEXCEPT;
NXV_API nxv_status nxv_device_get(int index, nxv_device_info* out) NXV_NOEXCEPT;
/* Index of the device that `select` names: an index, a part of a name, or "cpu". NULL: NXV_DEVICE,
 * else the best device there is. NXV_NO_DEVICE when there is none. */
NXV_API nxv_status nxv_device_find(const char* select, int* out) NXV_NOEXCEPT;

typedef struct nxv_engine_options {
  size_t struct_size;      /* sizeof(nxv_engine_options) */
  int device_index;        /* -1: NXV_DEVICE, else the best device there is */
  uint64_t memory_budget;  /* bytes; 0: NXV_MEMORY_BUDGET, else from the device */
  int validation;          /* validation layers, as NXV_VALIDATION */
  int check_hazards;       /* the recorder proves its barriers, as NXV_CHECK_HAZARDS */
  int callers_never_sleep; /* see nxv_is_behind */
} nxv_engine_options;

NXV_API nxv_status nxv_engine_open(const nxv_engine_options* options,
                                   nxv_engine** out) NXV_NOEXCEPT;
/* Finishes what was asked for and closes the device; the handle is gone, but in a callback, where
 * nothing is closed. Tensors stay valid handles: they answer
 * NXV_DEVICE_LOST to reads and must still be released. A process may end without this: reads that
 * have not been answered by then are answered NXV_DEVICE_LOST, or not at all when it ends before.
 */
NXV_API nxv_status nxv_engine_close(nxv_engine* engine) NXV_NOEXCEPT;
NXV_API nxv_status nxv_engine_device(nxv_engine* engine, nxv_device_info* out) NXV_NOEXCEPT;

typedef struct nxv_memory_stats {
  uint64_t in_use; /* bytes of live storage */
  uint64_t cached; /* bytes held for reuse */
  uint64_t peak;   /* highest in_use so far */
  uint64_t budget;
  uint64_t blocks; /* live allocations */
  int64_t nodes;   /* live lazy values */
} nxv_memory_stats;

/* As of now, without waiting. What was released counts as live until the engine has noticed: with
 * the next request to it, or within 50 ms. */
NXV_API nxv_status nxv_memory_stats_get(nxv_engine* engine, nxv_memory_stats* out) NXV_NOEXCEPT;
/* Finishes submitted work, frees what is no longer referenced and gives cached memory back. */
NXV_API nxv_status nxv_trim(nxv_engine* engine) NXV_NOEXCEPT;

typedef struct nxv_counters {
  uint64_t dispatches; /* kernels run */
  uint64_t submissions;
  uint64_t barriers;
  uint64_t kernels_compiled;
  uint64_t cache_hits;  /* compiled pipelines the driver reports as found in its cache */
  uint64_t evaluations; /* roots evaluated */
  uint64_t bytes_read;  /* by kernels, as their operands declare */
  uint64_t bytes_written;
  uint64_t validation_messages;
  double compile_milliseconds;
  uint64_t module_cache_hits; /* kernels not generated: their SPIR-V was kept from an earlier run */
} nxv_counters;

/* As of now, without waiting; all that was done for a value that has been read is counted. */
NXV_API nxv_status nxv_counters_get(nxv_engine* engine, nxv_counters* out) NXV_NOEXCEPT;

/* Bytes that callers hold through tensors, counting values that will need storage. Non-zero when it
 * has passed the engine's adaptive threshold since the last call to nxv_pressure_relieved: a
 * garbage collected language should then collect. */
NXV_API int nxv_pressure(nxv_engine* engine) NXV_NOEXCEPT;
NXV_API void nxv_pressure_relieved(nxv_engine* engine) NXV_NOEXCEPT;
/* Non-zero while more requests wait for the engine than it should be given. Functions that build
 * values then sleep for 0.2 ms, unless the engine was opened with callers_never_sleep: whoever
 * demands that should ask, and wait by other means. */
NXV_API int nxv_is_behind(nxv_engine* engine) NXV_NOEXCEPT;

/* ---- Tensors ---- */

NXV_API void nxv_retain(nxv_tensor* tensor) NXV_NOEXCEPT;
/* Never blocks, from any thread. NULL is allowed. */
NXV_API void nxv_release(nxv_tensor* tensor) NXV_NOEXCEPT;
/* Of NULL: NXV_ANY_DTYPE, 0, NULL and 0. */
NXV_API nxv_dtype nxv_tensor_dtype(const nxv_tensor* tensor) NXV_NOEXCEPT;
NXV_API int nxv_tensor_rank(const nxv_tensor* tensor) NXV_NOEXCEPT;
/* rank dimensions; valid while the tensor lives. */
NXV_API const int64_t* nxv_tensor_shape(const nxv_tensor* tensor) NXV_NOEXCEPT;
NXV_API int64_t nxv_tensor_count(const nxv_tensor* tensor) NXV_NOEXCEPT;

typedef void (*nxv_release_fn)(void* context);

/* A tensor from host bytes in the host layout; `size` must be nxv_host_bytes(...). Up to 64 KiB the
 * bytes are copied before the call returns, beyond that on the library's threads: `data` must stay
 * until `release` is called, exactly once, from any thread, also when the call fails. With release
 * == NULL the call copies first. */
NXV_API nxv_status nxv_from_host(nxv_engine* engine, nxv_dtype type, int rank, const int64_t* shape,
                                 const void* data, size_t size, nxv_release_fn release,
                                 void* context, nxv_tensor** out) NXV_NOEXCEPT;
/* Copies the value into `data` (nxv_host_bytes of it); waits for it. */
NXV_API nxv_status nxv_read(nxv_tensor* tensor, void* data, size_t size) NXV_NOEXCEPT;

/* Called exactly once for each accepted read, on a library thread, also at device loss and
 * shutdown. On failure `data` is NULL and `message` says why. `data` is valid during the call only.
 */
typedef void (*nxv_read_fn)(void* context, nxv_status status, const void* data, size_t size,
                            const char* message);
/* The first `limit` elements in row-major order, limit < 0: all. `done` may be called before this
 * returns. When the status is not NXV_OK, `done` is not called. */
NXV_API nxv_status nxv_read_async(nxv_tensor* tensor, int64_t limit, nxv_read_fn done,
                                  void* context) NXV_NOEXCEPT;
/* Starts computing the value; nxv_wait also waits until it is stored. */
NXV_API nxv_status nxv_evaluate(nxv_tensor* tensor) NXV_NOEXCEPT;
/* The same for tensors of one engine: what they share is computed once. */
NXV_API nxv_status nxv_evaluate_all(int count, nxv_tensor* const* tensors) NXV_NOEXCEPT;
NXV_API nxv_status nxv_wait(nxv_tensor* tensor) NXV_NOEXCEPT;
/* Takes the value from the tensor, now and not when the last reference is released. Every later use
 * of the tensor but nxv_tensor_dtype and the like answers NXV_DEALLOCATED, this one too. What was
 * built of it keeps its value: the storage goes with the last value that needs it, and where memory
 * is short values that are much smaller are computed first. */
NXV_API nxv_status nxv_deallocate(nxv_tensor* tensor) NXV_NOEXCEPT;

/* ---- Creation ---- */

NXV_API nxv_status nxv_constant_f64(nxv_engine* engine, nxv_dtype type, double value, double imag,
                                    int rank, const int64_t* shape, nxv_tensor** out) NXV_NOEXCEPT;
NXV_API nxv_status nxv_constant_s64(nxv_engine* engine, nxv_dtype type, int64_t value, int rank,
                                    const int64_t* shape, nxv_tensor** out) NXV_NOEXCEPT;
/* Counts along `axis`, or over the flat index when has_axis is 0. */
NXV_API nxv_status nxv_iota(nxv_engine* engine, nxv_dtype type, int rank, const int64_t* shape,
                            int has_axis, int axis, nxv_tensor** out) NXV_NOEXCEPT;
/* Ones where the last two indices agree. rank >= 2. */
NXV_API nxv_status nxv_eye(nxv_engine* engine, nxv_dtype type, int rank, const int64_t* shape,
                           nxv_tensor** out) NXV_NOEXCEPT;
/* Philox 4x32-10 (Salmon et al., SC 2011): key = seed, counter = offset + index / 4. Uniform in
 * [low, high); normal by Box and Muller. Real types. */
NXV_API nxv_status nxv_random_uniform(nxv_engine* engine, nxv_dtype type, int rank,
                                      const int64_t* shape, uint64_t seed, uint64_t offset,
                                      double low, double high, nxv_tensor** out) NXV_NOEXCEPT;
NXV_API nxv_status nxv_random_normal(nxv_engine* engine, nxv_dtype type, int rank,
                                     const int64_t* shape, uint64_t seed, uint64_t offset,
                                     double mean, double deviation, nxv_tensor** out) NXV_NOEXCEPT;

/* ---- Operations ---- */

/* An elementwise operation of the table on `count` operands, which broadcast as in numpy. */
NXV_API nxv_status nxv_apply(int op, int count, nxv_tensor* const* operands,
                             nxv_tensor** out) NXV_NOEXCEPT;
NXV_API nxv_status nxv_cast(nxv_tensor* tensor, nxv_dtype type, nxv_tensor** out) NXV_NOEXCEPT;
NXV_API nxv_status nxv_reshape(nxv_tensor* tensor, int rank, const int64_t* shape,
                               nxv_tensor** out) NXV_NOEXCEPT;
/* Input axis i becomes output axis axes[i] (ascending); axes == NULL: the last ones. */
NXV_API nxv_status nxv_broadcast(nxv_tensor* tensor, int rank, const int64_t* shape,
                                 const int64_t* axes, nxv_tensor** out) NXV_NOEXCEPT;
/* Output axis i is input axis axes[i]; axes == NULL reverses the order. */
NXV_API nxv_status nxv_transpose(nxv_tensor* tensor, const int64_t* axes,
                                 nxv_tensor** out) NXV_NOEXCEPT;
/* start[i] .. start[i] + length[i] in steps of stride[i]; starts are clamped so that the slice
 * fits. strides == NULL: all 1. */
NXV_API nxv_status nxv_slice(nxv_tensor* tensor, const int64_t* starts, const int64_t* lengths,
                             const int64_t* strides, nxv_tensor** out) NXV_NOEXCEPT;
NXV_API nxv_status nxv_reverse(nxv_tensor* tensor, int count, const int64_t* axes,
                               nxv_tensor** out) NXV_NOEXCEPT;
/* Removes the given axes of length 1; count < 0: all of them. */
NXV_API nxv_status nxv_squeeze(nxv_tensor* tensor, int count, const int64_t* axes,
                               nxv_tensor** out) NXV_NOEXCEPT;
/* interior[i] values between elements, then low[i] before and high[i] after; negative low and high
 * crop. `value` has one element. */
NXV_API nxv_status nxv_pad(nxv_tensor* tensor, nxv_tensor* value, const int64_t* low,
                           const int64_t* high, const int64_t* interior,
                           nxv_tensor** out) NXV_NOEXCEPT;
NXV_API nxv_status nxv_concatenate(int count, nxv_tensor* const* tensors, int axis,
                                   nxv_tensor** out) NXV_NOEXCEPT;
/* sum, product, reduce_max, reduce_min, all, any over `axes`; count < 0: over all of them. */
NXV_API nxv_status nxv_reduce(int op, nxv_tensor* tensor, int count, const int64_t* axes,
                              int keep_axes, nxv_tensor** out) NXV_NOEXCEPT;
/* Contracts contract_a[i] of a with contract_b[i] of b; batch axes pair up and come first:
 * out = batch, free axes of a, free axes of b. */
NXV_API nxv_status nxv_dot(nxv_tensor* a, nxv_tensor* b, int contract_count,
                           const int64_t* contract_a, const int64_t* contract_b, int batch_count,
                           const int64_t* batch_a, const int64_t* batch_b,
                           nxv_tensor** out) NXV_NOEXCEPT;
/* Matrix product of the last two axes; leading axes broadcast. Vectors as in numpy. This and
 * nxv_dot are accurate; nxv_call takes the precision as an option. */
NXV_API nxv_status nxv_matmul(nxv_tensor* a, nxv_tensor* b, nxv_tensor** out) NXV_NOEXCEPT;

/* ---- Operations by name: all of them, with their options ---- */

/* Integers (lengths, axes, flags as 0 or 1, an nxv_dtype or nxv_precision) or reals; the other is
 * NULL. One that the operation does not take, or of another kind, is an invalid argument. */
typedef struct nxv_option {
  const char* name;
  int count;
  const int64_t* integers;
  const double* reals;
} nxv_option;

typedef struct nxv_call_row {
  const char* name;
  int operands; /* at least -operands when negative; 0: made by nxv_create */
  int option_count;
  int is_primitive; /* one node of the op table; others are compositions, or have own kernels */
  const char* summary;
} nxv_call_row;
typedef struct nxv_call_option {
  const char* name;
  const char* kind; /* "integer", "integers", "flag", "real", "type" (an nxv_dtype), "precision" (an
                     * nxv_precision), or "number": an integer, a real, or the two parts of a
                     * complex number as reals */
} nxv_call_option;

/* All operations that nxv_call and nxv_create know, with the options they take. */
NXV_API int nxv_call_count(void) NXV_NOEXCEPT;
NXV_API nxv_status nxv_call_info(int row, nxv_call_row* out) NXV_NOEXCEPT;
NXV_API nxv_status nxv_call_option_info(int row, int option, nxv_call_option* out) NXV_NOEXCEPT;

/* The operation `name` of docs/operations.md on `count` operands. Writes one tensor for each result
 * to outs and their number to *out_count; NXV_SIZE_MISMATCH when there are more than `capacity`. */
NXV_API nxv_status nxv_call(const char* name, int count, nxv_tensor* const* operands,
                            int option_count, const nxv_option* options, int capacity,
                            nxv_tensor** outs, int* out_count) NXV_NOEXCEPT;
/* The same for an operation without operands: iota, random_uniform. It has one result. */
NXV_API nxv_status nxv_create(nxv_engine* engine, const char* name, int option_count,
                              const nxv_option* options, nxv_tensor** out) NXV_NOEXCEPT;

/* ---- Functions ---- */

/* Stands for an argument of a function. What is built from it is computed when the function is
 * called; it cannot be read. `reduce` and `window_reduce` take bodies built from scalar parameters
 * (rank 0) and constants. */
NXV_API nxv_status nxv_parameter(nxv_engine* engine, nxv_dtype type, int rank, const int64_t* shape,
                                 nxv_tensor** out) NXV_NOEXCEPT;

/* A closed graph: results in terms of parameters. It is scheduled and its kernels are made once,
 * with the first call; other tensors that its results were built from are captured. Reference
 * counted, and usable from any thread, as tensors are. */
typedef struct nxv_function nxv_function;

/* NXV_INVALID_ARGUMENT: a parameter is none or is given twice, there is no result, or a result
 * depends on another parameter. The tensors given may be released. */
NXV_API nxv_status nxv_function_create(int parameter_count, nxv_tensor* const* parameters,
                                       int result_count, nxv_tensor* const* results,
                                       nxv_function** out) NXV_NOEXCEPT;
NXV_API void nxv_function_retain(nxv_function* function) NXV_NOEXCEPT;
NXV_API void nxv_function_release(nxv_function* function) NXV_NOEXCEPT;
/* What profiles call it; before its first call. UTF-8, copied. */
NXV_API nxv_status nxv_function_set_name(nxv_function* function, const char* name) NXV_NOEXCEPT;
NXV_API int nxv_function_parameter_count(const nxv_function* function) NXV_NOEXCEPT;
NXV_API int nxv_function_result_count(const nxv_function* function) NXV_NOEXCEPT;
/* Starts a call and returns. Writes one tensor for each result to `results`. Arguments are of the
 * parameters' types and shapes, else NXV_INVALID_ARGUMENT; whatever goes wrong later is answered
 * when a result is read. */
NXV_API nxv_status nxv_function_call(nxv_function* function, int count,
                                     nxv_tensor* const* arguments,
                                     nxv_tensor** results) NXV_NOEXCEPT;
/* While the condition of the state, a real scalar, is not zero, the state becomes the body's
 * results, of the same types and shapes. Writes one tensor for each of the state to `results`. In
 * terms of parameters it is part of a function. */
NXV_API nxv_status nxv_while(int count, nxv_tensor* const* state, nxv_function* condition,
                             nxv_function* body, nxv_tensor** results) NXV_NOEXCEPT;
/* The results of functions[i], called with the arguments, for the first predicate i, a real scalar,
 * that is not zero; without one those of the last function. There is one function more than
 * predicates, and all have results of the same types and shapes. */
NXV_API nxv_status nxv_cond(int predicate_count, nxv_tensor* const* predicates,
                            nxv_function* const* functions, int count, nxv_tensor* const* arguments,
                            nxv_tensor** results) NXV_NOEXCEPT;

/* ---- Text for people ---- */

/* Regions, split reasons and kernels of what evaluating `tensor` would run; free with
 * nxv_free_text. */
NXV_API nxv_status nxv_explain(nxv_tensor* tensor, char** out) NXV_NOEXCEPT;
/* The same, with the KernelIR of each kernel as it runs: legalised and simplified. */
NXV_API nxv_status nxv_explain_ir(nxv_tensor* tensor, char** out) NXV_NOEXCEPT;
typedef enum nxv_explain_format {
  NXV_EXPLAIN_TEXT, /* for a terminal */
  NXV_EXPLAIN_SVG,  /* an SVG document of its own, UTF-8 */
  NXV_ANY_EXPLAIN_FORMAT = 0x7fffffff
} nxv_explain_format;

typedef struct nxv_explain_options {
  nxv_explain_format format;
  const char* name;     /* the title, UTF-8; NULL: none */
  const int* arguments; /* what they are called by, one for each parameter; NULL: 0, 1, ... */
} nxv_explain_options;

/* What a call of the function runs: regions and why they were cut, kernels, bytes, operations on
 * floating-point numbers, temporaries, arguments that are written over, and what loops and branches
 * call. Makes the function's program and waits for its kernels if it was not called before. No
 * options: text. Free with nxv_free_text. */
NXV_API nxv_status nxv_function_explain(nxv_function* function, const nxv_explain_options* options,
                                        char** out) NXV_NOEXCEPT;
/* Device, driver, plan, capabilities, limits, probes and memory of an engine. */
NXV_API nxv_status nxv_engine_describe(nxv_engine* engine, char** out) NXV_NOEXCEPT;
NXV_API void nxv_free_text(char* text) NXV_NOEXCEPT;

/* What is right and wrong with this machine: loader, drivers, devices, trials of one of them, its
 * speed, the cache, and what to do. `device` as for nxv_device_find. Takes seconds. `is_well` gets
 * 1 where the device computes rightly, else 0; what is wrong here is no failure of this call. Free
 * with nxv_free_text. */
NXV_API nxv_status nxv_doctor(const char* device, char** out, int* is_well) NXV_NOEXCEPT;

/* ---- Profiles ---- */

/* Measures what the engine does from now on: device time of each region, by the device's
 * timestamps where it has them, and host time by phase. There is one profile of an engine at a
 * time: NXV_INVALID_ARGUMENT otherwise. It begins when the device is done with earlier work.
 * Commands overlap on the device as they do without; a command's time counts from the end of those
 * before it, so that the sum is not above what has passed. */
NXV_API nxv_status nxv_profile_begin(nxv_engine* engine) NXV_NOEXCEPT;
/* What the caller does from now on, by a name of its choice; does nothing without a profile. */
NXV_API nxv_status nxv_profile_phase(nxv_engine* engine, const char* name) NXV_NOEXCEPT;
/* Waits for what was asked for before and ends the profile. *table: text for people. *trace: JSON
 * in the Trace Event Format, for chrome://tracing and Perfetto. Either may be NULL; free with
 * nxv_free_text. */
NXV_API nxv_status nxv_profile_end(nxv_engine* engine, char** table, char** trace) NXV_NOEXCEPT;

#ifdef __cplusplus
}
#endif

#endif /* NXV_NXV_H_ */
