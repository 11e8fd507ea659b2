/* hadal.h: runs trained models from C and C++.
 *
 *     hadal_model *model = NULL;
 *     if (hadal_model_load("digits.safetensors", HADAL_INFERENCE, &model) != HADAL_OK)
 *         fprintf(stderr, "%s\n", hadal_last_error());
 *
 * Models are .safetensors files that `hadal train` wrote, and ONNX files.
 *
 * Errors. A function that can fail returns a hadal_status; when it is not HADAL_OK, hadal_last_error() says what is wrong
 * and what to do, and nothing has been written to the places for results, except that those for handles hold NULL.
 *
 * Threads. Every function may be called from any thread, and one model may run on several at once. Only
 * hadal_model_free and hadal_outputs_free need the handle to themselves.
 *
 * Ownership. The caller's buffers are read before a function returns and never kept. What a handle gives (names, shapes,
 * data) belongs to the handle and is valid until it is freed.
 */
#ifndef HADAL_H
#define HADAL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a function returns. */
typedef int32_t hadal_status;
#define HADAL_OK 0
/* A null pointer, an index out of range, or a tensor that is not what the model takes. */
#define HADAL_INVALID_ARGUMENT 1
/* A model that cannot be read or is not supported. */
#define HADAL_CANNOT_LOAD 2
/* The model refused its inputs while it ran. */
#define HADAL_CANNOT_RUN 3
/* A mistake in Hadal: please report it. The handles stay usable. */
#define HADAL_INTERNAL_ERROR 4

/* The type of a tensor's elements, with ONNX's numbers. Truth values take one byte, 0 or 1. */
typedef int32_t hadal_dtype;
#define HADAL_FLOAT32 1
#define HADAL_UINT8 2
#define HADAL_INT8 3
#define HADAL_UINT16 4
#define HADAL_INT16 5
#define HADAL_INT32 6
#define HADAL_INT64 7
#define HADAL_BOOL 9
#define HADAL_FLOAT16 10
#define HADAL_FLOAT64 11
#define HADAL_UINT32 12
#define HADAL_UINT64 13
#define HADAL_BFLOAT16 16

/* How a model computes. */
typedef int32_t hadal_execution;
/* Compiled for inference: batch normalization is folded into the convolution before it, which rounds otherwise. */
#define HADAL_INFERENCE 0
/* Compiled, with the bits of the model itself as it was trained. */
#define HADAL_EXACT 1

/* A loaded model. */
typedef struct hadal_model hadal_model;

/* What a model gave for one call. */
typedef struct hadal_outputs hadal_outputs;

/* A tensor that a model takes or gives. */
typedef struct hadal_port {
    const char *name;     /* UTF-8 */
    hadal_dtype dtype;
    int32_t rank;         /* the number of axes; -1 if any will do */
    const int64_t *shape; /* rank sizes, -1 where any will do; NULL if rank is -1 */
} hadal_port;

/* A tensor in memory: elements in row-major order without gaps, in the machine's byte order, of any alignment. */
typedef struct hadal_tensor {
    const void *data;     /* may be NULL if bytes is 0 */
    size_t bytes;         /* all of data: the product of the sizes times the size of an element */
    hadal_dtype dtype;
    int32_t rank;         /* 0 for a single number */
    const int64_t *shape; /* rank sizes; may be NULL if rank is 0 */
} hadal_tensor;

/* The library's version, such as "0.1.0". */
const char *hadal_version(void);

/* Why the last function failed that failed on the calling thread; "" if none has. The text is UTF-8 and valid until the
 * next call on this thread. */
const char *hadal_last_error(void);

/* How many threads a run may use, the calling one included; 0 restores the default, HADAL_THREADS of the environment or
 * all cores. Results do not depend on it. One run at a time uses the others; runs beside it use their own thread. */
void hadal_set_threads(size_t threads);

/* That number. */
size_t hadal_threads(void);

/* Loads the model in a file. The file is mapped: replace it by renaming another over it, never in place. */
hadal_status hadal_model_load(const char *path, hadal_execution execution, hadal_model **model);

/* Loads a model from the contents of a file, which are copied. */
hadal_status hadal_model_load_bytes(const void *data, size_t bytes, hadal_execution execution, hadal_model **model);

/* Frees a model; NULL is allowed. Outputs that it gave stay valid. */
void hadal_model_free(hadal_model *model);

/* The number of tensors that the model takes; 0 for NULL. */
size_t hadal_model_input_count(const hadal_model *model);

/* The tensor that the model takes as input `index`. */
hadal_status hadal_model_input(const hadal_model *model, size_t index, hadal_port *port);

/* The number of tensors that the model gives; 0 for NULL. */
size_t hadal_model_output_count(const hadal_model *model);

/* The tensor that the model gives as output `index`. */
hadal_status hadal_model_output(const hadal_model *model, size_t index, hadal_port *port);

/* Whether the model also takes HADAL_UINT8 pixels [batch, channels, height, width] of any height and width: they are
 * resized and normalized as in training. 1 or 0. */
int32_t hadal_model_takes_pixels(const hadal_model *model);

/* The number of classes that have names; 0 if there are none. */
size_t hadal_model_label_count(const hadal_model *model);

/* The name of a class, in UTF-8; NULL if there is none of this index. */
const char *hadal_model_label(const hadal_model *model, size_t index);

/* Runs the model on `count` inputs, in the order of hadal_model_input. The first run with a new shape takes longer. */
hadal_status hadal_model_run(const hadal_model *model, const hadal_tensor *inputs, size_t count,
                             hadal_outputs **outputs);

/* The number of tensors; 0 for NULL. */
size_t hadal_outputs_count(const hadal_outputs *outputs);

/* Tensor `index`, in the order of hadal_model_output; its data is aligned for its type. */
hadal_status hadal_outputs_get(const hadal_outputs *outputs, size_t index, hadal_tensor *tensor);

/* Copies the data of tensor `index` to a buffer of exactly its size. */
hadal_status hadal_outputs_copy(const hadal_outputs *outputs, size_t index, void *buffer, size_t bytes);

/* Frees outputs; NULL is allowed. */
void hadal_outputs_free(hadal_outputs *outputs);

#ifdef __cplusplus
}
#endif

#endif /* HADAL_H */
