// make-test-package FOLDER: writes what lathe-run's tests need and the compiler has no part in.
//
//   model.lathe       y f32[batch, sequence, 4] = table[ids] * mask * (1, 2, 3, 4) for ids i64[batch, sequence], mask
//                     f32[batch, sequence]; the table is 10 x 4 with element i = i
//   cuda.lathe        the same for x86-64 and cuda-sim
//   only-cuda.lathe   the same for cuda:sm_90a alone, with code that none can run
//   right/, wrong/    ONNX test data sets that match it, and that do not
//   *.npy             inputs: ids.npy i64, ids32.npy i32, mask.npy
//   runner            lathe-run with the package appended, as --emit=exe makes it (where a second argument names
//   lathe-run)
#include "TestPackage.h"
#include "tools/lathe-run/AppendedPackage.h"
#include "tools/lathe-run/Npy.h"
#include <cstdio>
#include <cstdlib>
#include <sys/stat.h>

using namespace lathe::tool;

static void check(bool good, const std::string &error) {
  if (good)
    return;
  std::fprintf(stderr, "error: %s\n", error.c_str());
  std::exit(1);
}

static Tensor make(const char *name, ElementType type, std::vector<int64_t> dims, const std::vector<double> &values) {
  Tensor tensor;
  tensor.name = name;
  tensor.type = type;
  tensor.dims = std::move(dims);
  tensor.bytes.resize(values.size() * elementSize(type));
  for (size_t i = 0; i < values.size(); ++i)
    storeDouble(tensor, i, values[i]);
  return tensor;
}

// A TensorProto of small sizes: dims, data_type, name, raw_data.
static void writeProto(const std::string &path, const Tensor &tensor) {
  std::string text, error;
  for (int64_t d : tensor.dims)
    text += {'\x08', char(d)};
  text += {'\x10', char(tensor.type == ElementType::F32 ? 1 : 7), '\x42', char(tensor.name.size())};
  text += tensor.name;
  text += {'\x4a', char(tensor.bytes.size())};
  text.append(tensor.bytes.begin(), tensor.bytes.end());
  check(tensor.bytes.size() < 128 && writeFile(path, text.data(), text.size(), error), "can't write " + path);
}

int main(int argc, char **argv) {
  check(argc >= 2, "usage: make-test-package FOLDER [LATHE-RUN]");
  std::string folder = std::string(argv[1]) + "/", error;
  for (const char *part : {"", "right", "wrong"})
    mkdir((folder + part).c_str(), 0777);
  lathe::test::Bytes package = lathe::test::gatherPackage();
  check(writeFile(folder + "model.lathe", package.data(), package.size(), error), error);
  lathe::test::Bytes cuda = lathe::test::cudaPackage();
  check(writeFile(folder + "cuda.lathe", cuda.data(), cuda.size(), error), error);
  lathe::test::Model onlyCuda = lathe::test::cudaModel();
  onlyCuda.targets = {{"cuda:sm_90a", 4, 12090}};
  for (lathe::test::Kernel &kernel : onlyCuda.kernels)
    kernel.variants.erase(kernel.variants.begin());
  cuda = assemble(buildTable(onlyCuda), lathe::test::cudaSegments());
  check(writeFile(folder + "only-cuda.lathe", cuda.data(), cuda.size(), error), error);

  Tensor ids = make("ids", ElementType::I64, {1, 2}, {3, 9}), mask = make("mask", ElementType::F32, {1, 2}, {1, 0.5});
  Tensor y = make("y", ElementType::F32, {1, 2, 4}, {12, 26, 42, 60, 18, 37, 57, 78});
  // By name where the names say it, by position where they do not.
  writeProto(folder + "right/input_0.pb", mask);
  writeProto(folder + "right/input_1.pb", ids);
  writeProto(folder + "right/output_0.pb", y);
  ids.name = mask.name = "";
  writeProto(folder + "wrong/input_0.pb", ids);
  writeProto(folder + "wrong/input_1.pb", mask);
  storeDouble(y, 5, 38);
  writeProto(folder + "wrong/output_0.pb", y);
  Tensor ids32 = make("ids", ElementType::I32, {1, 2}, {3, 9});
  check(writeNpy(folder + "ids.npy", ids, error) && writeNpy(folder + "ids32.npy", ids32, error) &&
            writeNpy(folder + "mask.npy", mask, error),
        error);

  if (argc > 2)
    check(appendPackage(argv[2], folder + "model.lathe", folder + "runner", error), error);
}
