// Writes seeds for the fuzzers that need a built package: make-fuzz-seeds DIR fills DIR/package, DIR/table and DIR/elf.
#include "TestPackage.h"
#include <cstdio>
#include <string>
#include <sys/stat.h>

using namespace lathe::test;

static bool write(const std::string &folder, const char *name, const Bytes &bytes) {
  mkdir(folder.c_str(), 0777);
  std::FILE *file = std::fopen((folder + "/" + name).c_str(), "wb");
  if (!file)
    return false;
  bool good = std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
  return std::fclose(file) == 0 && good;
}

int main(int argc, char **argv) {
  if (argc != 2)
    return 2;
  std::string root = argv[1];
  mkdir(root.c_str(), 0777);
  Model gather = gatherModel(), random = gatherModel(), formulas = gatherModel();
  random.weights[0] = {"table", lathe::package::ElementType::f32, 160, 0, 0, 10, 4, 2, true, 1, 2, 0.5f};
  random.entries[0].requirements = {{symbol(0) * 2, symbol(1), "halves"}};
  random.entries[0].batchSymbol = -1;
  formulas.entries[0].arenaSize = Expr(4096) + ceildiv(symbol(0), 3) * 64 - floordiv(symbol(1), 4);
  Model cuda = cudaModel();
  cuda.targets[1].name = "cuda:sm_90a";
  cuda.kernels[0].variants[1].maps = {{1, lathe::package::ElementType::f32, {4, symbol(1)}, {16}, {4, 8}, 32}};
  // Without code, so that changes fall on the other parts.
  std::vector<SegmentData> small = gatherSegments();
  small[0].bytes.resize(16);
  std::vector<SegmentData> smallCuda = cudaSegments();
  smallCuda[0].bytes.resize(16);
  smallCuda[4].bytes.resize(16);
  bool good =
      write(root + "/package", "gather", gatherPackage()) &&
      write(root + "/package", "small", assemble(buildTable(gather), small)) &&
      write(root + "/package", "cuda", assemble(buildTable(cuda), smallCuda)) &&
      write(root + "/table", "cuda", buildTable(cuda)) && write(root + "/package", "vector", vectorPackage("slow")) &&
      write(root + "/table", "gather", buildTable(gather)) && write(root + "/table", "random", buildTable(random)) &&
      write(root + "/table", "formulas", buildTable(formulas)) && write(root + "/elf", "kernels", kernelElf());
  if (!good)
    std::fprintf(stderr, "error: can't write below '%s'\n", argv[1]);
  return good ? 0 : 1;
}
