/* Runs a compiled model from C99: one row of token ids in, the first numbers of each output out.
 *
 *   embed-c minilm.lathe 101 7592 2088 102
 *
 * Inputs whose name has "mask" in it are filled with ones, others beside the ids with zeros. */
#include <lathe/lathe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_INPUTS = 16, MOST_TOKENS = 512 };

static const lathe_api *api;

/* Every function that can fail returns a status, NULL for success. A service would pass it on; this program stops. */
static void check(lathe_status *status) {
  if (!status)
    return;
  fprintf(stderr, "error: %s\n", api->status_message(status));
  api->status_release(status);
  exit(1);
}

/* Makes `tensor` the 1 x count tensor of the type that the input has, in memory that stays the caller's. */
static void fill(lathe_tensor *tensor, const lathe_value_info *input, const int64_t *ids, int64_t count) {
  int mask = strstr(input->name, "mask") != NULL, is_ids = strstr(input->name, "ids") && !strstr(input->name, "type");
  void *data = malloc((size_t)count * sizeof(int64_t));
  if (!data || input->rank != 2 || (input->type != LATHE_I64 && input->type != LATHE_F32)) {
    fprintf(stderr, "error: input '%s' is not i64 or f32 of shape [batch, sequence]\n", input->name);
    exit(1);
  }
  for (int64_t i = 0; i < count; ++i) {
    int64_t value = is_ids ? ids[i] : mask;
    if (input->type == LATHE_I64)
      ((int64_t *)data)[i] = value;
    else
      ((float *)data)[i] = (float)value;
  }
  tensor->data = data;
  tensor->type = input->type;
  tensor->rank = 2;
  tensor->dims[0] = 1;
  tensor->dims[1] = count;
}

int main(int argc, char **argv) {
  int64_t ids[MOST_TOKENS], count = argc - 2;
  if (count < 1 || count > MOST_TOKENS) {
    fprintf(stderr, "usage: %s MODEL.lathe TOKEN_ID...\n", argv[0]);
    return 2;
  }
  for (int64_t i = 0; i < count; ++i)
    ids[i] = strtoll(argv[i + 2], NULL, 10);

  api = lathe_get_api(LATHE_API_VERSION);
  if (!api) {
    fprintf(stderr, "error: the runtime library is older than this program\n");
    return 1;
  }

  /* Once in a process: the runtime, with its threads. Once for each model: the program, which all threads share. */
  lathe_runtime *runtime;
  lathe_program *program;
  lathe_runtime_options one_thread = {.struct_size = sizeof one_thread, .threads = 1};
  lathe_load_options load = {.struct_size = sizeof load, .path = argv[1]};
  check(api->runtime_create(&one_thread, &runtime));
  check(api->program_load(runtime, &load, &program));

  /* Once for each thread that runs the model: a context, with the memory that a run needs. */
  lathe_context *context;
  check(api->context_create(program, NULL, &context));

  lathe_entry_info entry = {.struct_size = sizeof entry};
  lathe_tensor inputs[MOST_INPUTS];
  check(api->entry_info(program, 0, &entry));
  if (entry.input_count > MOST_INPUTS) {
    fprintf(stderr, "error: the model has more than %d inputs\n", MOST_INPUTS);
    return 1;
  }
  for (uint32_t i = 0; i < entry.input_count; ++i) {
    lathe_value_info input = {.struct_size = sizeof input};
    check(api->input_info(program, 0, i, &input));
    fill(&inputs[i], &input, ids, count);
    check(api->set_input(context, i, &inputs[i]));
  }

  check(api->run(context));

  for (uint32_t i = 0; i < entry.output_count; ++i) {
    lathe_value_info info = {.struct_size = sizeof info};
    lathe_tensor output; /* its data is the context's, valid until the next run */
    int64_t elements = 1;
    check(api->output_info(program, 0, i, &info));
    check(api->output(context, i, &output));
    printf("%s [", info.name);
    for (uint32_t d = 0; d < output.rank; ++d) {
      printf("%s%lld", d ? ", " : "", (long long)output.dims[d]);
      elements *= output.dims[d];
    }
    printf("]:");
    for (int64_t e = 0; output.type == LATHE_F32 && e < elements && e < 4; ++e)
      printf(" %g", (double)((const float *)output.data)[e]);
    printf("%s\n", elements > 4 ? " ..." : "");
  }

  for (uint32_t i = 0; i < entry.input_count; ++i)
    free(inputs[i].data);
  api->context_release(context);
  api->program_release(program);
  api->runtime_release(runtime);
  return 0;
}
