/* run MODEL EXECUTION FILE SIZE...: runs a model of one input on the float32 of a file, of this shape; prints what the
 * model takes and gives, and the bits of every element, from several threads at the same time: all must agree. */
#include "hadal.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS 4
#define RUNS 5

static hadal_model *model;
static hadal_tensor input;
static hadal_outputs *first;

static void check(hadal_status status)
{
    if (status != HADAL_OK) {
        fprintf(stderr, "%s\n", hadal_last_error());
        exit(1);
    }
}

static void *work(void *unused)
{
    size_t i;
    int run;
    for (run = 0; run < RUNS; run++) {
        hadal_outputs *outputs = NULL;
        check(hadal_model_run(model, &input, 1, &outputs));
        for (i = 0; i < hadal_outputs_count(outputs); i++) {
            hadal_tensor mine, expected;
            char *copy;
            check(hadal_outputs_get(outputs, i, &mine));
            check(hadal_outputs_get(first, i, &expected));
            copy = malloc(mine.bytes);
            check(hadal_outputs_copy(outputs, i, copy, mine.bytes));
            if (mine.bytes != expected.bytes || memcmp(copy, expected.data, mine.bytes) != 0) exit(3);
            free(copy);
        }
        hadal_outputs_free(outputs);
    }
    return unused;
}

static void describe(const char *what, const hadal_port *port)
{
    int i;
    printf("%s %s dtype %d:", what, port->name, (int)port->dtype);
    for (i = 0; i < port->rank; i++) printf(" %lld", (long long)port->shape[i]);
    printf("\n");
}

int main(int argc, char **argv)
{
    int64_t shape[8];
    size_t i, j;
    pthread_t threads[THREADS];
    hadal_port port;
    float *data;
    FILE *file = fopen(argv[3], "rb");

    input.rank = argc - 4;
    input.dtype = HADAL_FLOAT32;
    input.bytes = sizeof(float);
    for (i = 0; i < (size_t)input.rank; i++) {
        shape[i] = atoll(argv[4 + i]);
        input.bytes *= (size_t)shape[i];
    }
    input.shape = shape;
    data = malloc(input.bytes);
    if (file == NULL || fread(data, 1, input.bytes, file) != input.bytes) return 2;
    fclose(file);
    input.data = data;

    hadal_set_threads(2);
    check(hadal_model_load(argv[1], atoi(argv[2]), &model));
    for (i = 0; i < hadal_model_input_count(model); i++) {
        check(hadal_model_input(model, i, &port));
        describe("input", &port);
    }
    check(hadal_model_run(model, &input, 1, &first));
    for (i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, work, NULL);
    for (i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    free(data);
    hadal_model_free(model); /* outputs live on */
    for (i = 0; i < hadal_outputs_count(first); i++) {
        hadal_tensor output;
        check(hadal_outputs_get(first, i, &output));
        printf("output dtype %d:", (int)output.dtype);
        for (j = 0; j < (size_t)output.rank; j++) printf(" %lld", (long long)output.shape[j]);
        printf("\nbits");
        for (j = 0; j < output.bytes / 4; j++) printf(" %08lx", (unsigned long)((const uint32_t *)output.data)[j]);
        printf("\n");
    }
    hadal_outputs_free(first);
    return 0;
}
