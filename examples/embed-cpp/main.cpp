// Runs a compiled model from C++17: each argument is a row of token ids, each row runs in a thread of its own, and the
// first output of every row is compared with that of the first one.
//
//   embed-cpp minilm.lathe "101 7592 2088 102" "101 7592 2045 102"
//
// The program is loaded once and shared by the threads; each thread has a context, which is the memory of its runs.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <lathe/lathe.hpp>
#include <string>
#include <thread>
#include <vector>

struct Row {
  std::vector<int64_t> ids;
  std::vector<float> result; // or, where that failed,
  std::string error;
};

// Sets one input to the ids, to ones where it is a mask, to zeros else. The data must live until the run has returned.
static lathe::Status setInput(lathe::Context &context, uint32_t index, const lathe_value_info &info,
                              const std::vector<int64_t> &ids, std::vector<int64_t> &integers,
                              std::vector<float> &floats) {
  std::string name = info.name;
  bool isMask = name.find("mask") != std::string::npos;
  bool isIds = name.find("ids") != std::string::npos && name.find("type") == std::string::npos;
  int64_t length = static_cast<int64_t>(ids.size());
  if (info.type == LATHE_F32) {
    floats.assign(ids.size(), isMask ? 1.0f : 0.0f);
    return context.setInput(index, lathe::tensor(floats.data(), {1, length}));
  }
  // The runtime answers with a message where an input is of another type or rank.
  integers = isIds ? ids : std::vector<int64_t>(ids.size(), isMask);
  return context.setInput(index, lathe::tensor(integers.data(), {1, length}));
}

// Runs one row in a context that the calling thread has made.
static lathe::Status embed(const lathe::Program &program, lathe::Context &context, Row &row) {
  lathe::Result<lathe_entry_info> entry = program.entry();
  std::vector<std::vector<int64_t>> integers(entry->input_count);
  std::vector<std::vector<float>> floats(entry->input_count);
  for (uint32_t i = 0; i < entry->input_count; ++i) {
    lathe::Result<lathe_value_info> info = program.input(i);
    if (lathe::Status status = setInput(context, i, *info, row.ids, integers[i], floats[i]); !status)
      return status;
  }
  if (lathe::Status status = context.run(); !status)
    return status;
  lathe::Result<lathe_tensor> output = context.output(0u);
  if (output && output->type == LATHE_F32) {
    const float *data = static_cast<const float *>(output->data); // the context's, so copied before that goes
    row.result.assign(data, data + lathe::elementCount(*output));
  }
  return {};
}

static double cosine(const std::vector<float> &a, const std::vector<float> &b) {
  double dot = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size() && i < b.size(); ++i) {
    dot += double(a[i]) * b[i];
    aa += double(a[i]) * a[i];
    bb += double(b[i]) * b[i];
  }
  return dot / std::sqrt(aa * bb);
}

int main(int argc, char **argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: %s MODEL.lathe \"TOKEN_ID ...\" ...\n", argv[0]);
    return 2;
  }
  std::vector<Row> rows(static_cast<size_t>(argc) - 2);
  for (size_t i = 0; i < rows.size(); ++i)
    for (char *at = argv[i + 2], *end; (void)std::strtoll(at, &end, 10), end != at; at = end)
      rows[i].ids.push_back(std::strtoll(at, nullptr, 10));

  lathe_runtime_options options = lathe::runtimeOptions();
  options.threads = 1; // of the runtime's own: this program brings its threads
  lathe::Result<lathe::Runtime> runtime = lathe::Runtime::create(options);
  if (!runtime) {
    std::fprintf(stderr, "error: %s\n", runtime.status().message());
    return 1;
  }
  lathe::Result<lathe::Program> program = runtime->load(argv[1]);
  if (!program) {
    std::fprintf(stderr, "error: %s\n", program.status().message());
    return 1;
  }

  std::vector<std::thread> threads;
  for (Row &row : rows)
    threads.emplace_back([&row, &program] {
      lathe::Result<lathe::Context> context = program->createContext();
      if (!context)
        row.error = context.status().message();
      else if (lathe::Status status = embed(*program, *context, row); !status)
        row.error = status.message();
    });
  for (std::thread &thread : threads)
    thread.join();

  int code = 0;
  for (const Row &row : rows) {
    if (row.error.empty()) {
      std::printf("%.4f  %zu tokens, %zu numbers\n", cosine(rows[0].result, row.result), row.ids.size(),
                  row.result.size());
    } else {
      std::fprintf(stderr, "error: %s\n", row.error.c_str());
      code = 1;
    }
  }
  return code;
}
