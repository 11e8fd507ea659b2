/* hostile MODEL DAMAGED: everything that a caller can do wrong, a line for each: the status and the message. MODEL takes
 * one float32 [any, 4]; DAMAGED is a file that is no model. */
#include "hadal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void say(hadal_status status)
{
    printf("%d %s\n", (int)status, hadal_last_error());
}

int main(int argc, char **argv)
{
    static const float numbers[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    static const int64_t shape[2] = {2, 4}, wide[2] = {2, 5}, below[2] = {-2, -4}, huge[2] = {INT64_MAX, INT64_MAX};
    hadal_model *model = NULL, *other = (hadal_model *)&model;
    hadal_outputs *outputs = NULL;
    hadal_tensor good, bad, output;
    hadal_port port;
    float small[1];

    if (argc != 3) return 2;
    printf("[%s]\n", hadal_last_error());
    say(hadal_model_load(NULL, HADAL_INFERENCE, &other));
    if (other != NULL) return 3;
    say(hadal_model_load(argv[1], HADAL_INFERENCE, NULL));
    say(hadal_model_load(argv[1], 7, &other));
    say(hadal_model_load("no/such/file.onnx", HADAL_INFERENCE, &other));
    say(hadal_model_load("\xff\xfe", HADAL_INFERENCE, &other));
    say(hadal_model_load(argv[2], HADAL_INFERENCE, &other));
    say(hadal_model_load_bytes(NULL, 5, HADAL_INFERENCE, &other));
    say(hadal_model_load_bytes("", 0, HADAL_INFERENCE, &other));
    say(hadal_model_load_bytes(numbers, SIZE_MAX, HADAL_INFERENCE, &other));
    if (other != NULL) return 3;
    if (hadal_model_load(argv[1], HADAL_INFERENCE, &model) != HADAL_OK) return 4;

    say(hadal_model_input(model, 1, &port));
    say(hadal_model_output(model, 1, NULL));
    say(hadal_model_output(NULL, 0, &port));
    if (hadal_model_input_count(NULL) + hadal_model_output_count(NULL) + hadal_model_label_count(NULL) != 0) return 5;
    if (hadal_model_label(model, 1000) != NULL || hadal_model_label(NULL, 0) != NULL) return 5;
    if (hadal_model_takes_pixels(NULL) || hadal_model_takes_pixels(model)) return 5;

    good.data = numbers;
    good.bytes = sizeof numbers;
    good.dtype = HADAL_FLOAT32;
    good.rank = 2;
    good.shape = shape;
    say(hadal_model_run(NULL, &good, 1, &outputs));
    say(hadal_model_run(model, NULL, 1, &outputs));
    say(hadal_model_run(model, &good, 1, NULL));
    say(hadal_model_run(model, &good, 0, &outputs));
#define TRY(change) (bad = good, change, say(hadal_model_run(model, &bad, 1, &outputs)))
    TRY(bad.data = NULL);
    TRY(bad.bytes -= 4);
    TRY(bad.dtype = 99);
    TRY(bad.dtype = HADAL_INT32);
    TRY(bad.dtype = HADAL_FLOAT64);
    TRY(bad.shape = NULL);
    TRY(bad.shape = wide);
    TRY((bad.shape = wide, bad.bytes = 40, bad.data = calloc(1, 40)));
    free((void *)bad.data);
    TRY(bad.shape = below);
    TRY(bad.shape = huge);
    TRY(bad.rank = -1);
    TRY(bad.rank = 1000000);
    TRY((bad.rank = 1, bad.bytes = 8));
    if (outputs != NULL) return 6;

    if (hadal_model_run(model, &good, 1, &outputs) != HADAL_OK || hadal_outputs_count(outputs) != 1) return 7;
    say(hadal_outputs_get(outputs, 1, &output));
    say(hadal_outputs_get(outputs, 0, NULL));
    say(hadal_outputs_get(NULL, 0, &output));
    say(hadal_outputs_copy(outputs, 0, small, sizeof small));
    if (hadal_outputs_get(outputs, 0, &output) != HADAL_OK) return 8;
    say(hadal_outputs_copy(outputs, 0, NULL, output.bytes));
    if (hadal_outputs_count(NULL) != 0) return 9;
    hadal_outputs_free(outputs);
    hadal_outputs_free(NULL);
    hadal_model_free(model);
    hadal_model_free(NULL);
    return 0;
}
