// All primitives and the test kernels compile for every SM that packages are made for. NVRTC needs no GPU; where there
// is no NVRTC (LATHE_NVRTC names the library), the tests are skipped.
#include <cstdlib>
#include <dlfcn.h>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <string>
#include <vector>

namespace {
// The part of NVRTC's interface that is used, as its documentation gives it.
struct Nvrtc {
  using Program = struct _nvrtcProgram *;
  int (*nvrtcCreateProgram)(Program *, const char *source, const char *name, int headers, const char *const *texts,
                            const char *const *names);
  int (*nvrtcDestroyProgram)(Program *);
  int (*nvrtcCompileProgram)(Program, int options, const char *const *);
  int (*nvrtcGetProgramLogSize)(Program, size_t *);
  int (*nvrtcGetProgramLog)(Program, char *);
  int (*nvrtcGetPTXSize)(Program, size_t *);
  int (*nvrtcGetPTX)(Program, char *);
  bool open() {
    void *library = nullptr;
    const char *named = getenv("LATHE_NVRTC");
    for (const char *name : {named ? named : "libnvrtc.so.13", "libnvrtc.so.12",
                             "/usr/local/cuda-13.0/lib64/libnvrtc.so.13", "/usr/local/cuda/lib64/libnvrtc.so"})
      if (!library)
        library = dlopen(name, RTLD_NOW);
    if (!library)
      return false;
#define LOAD(name) name = reinterpret_cast<decltype(name)>(dlsym(library, #name));
    LOAD(nvrtcCreateProgram)
    LOAD(nvrtcDestroyProgram)
    LOAD(nvrtcCompileProgram)
    LOAD(nvrtcGetProgramLogSize)
    LOAD(nvrtcGetProgramLog)
    LOAD(nvrtcGetPTXSize)
    LOAD(nvrtcGetPTX)
#undef LOAD
    return nvrtcGetPTX;
  }
};

std::string read(const std::string &path) {
  std::ifstream file(std::string(LATHE_SOURCE_DIR "/") + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Compiles a file of the source tree; its log is empty where all is well.
void compile(Nvrtc &nvrtc, const char *path, const char *architecture, std::string *ptx = nullptr) {
  static const char *const names[] = {"test/unit/cuda-sim/Kernels.h",     "compiler/Cuda/Device/Primitives.h",
                                      "compiler/Cuda/Device/Memory.h",    "compiler/Cuda/Device/Mma.h",
                                      "compiler/Cuda/Device/AsyncCopy.h", "compiler/Cuda/Device/Wgmma.h",
                                      "compiler/Cuda/Device/Pairs.h"};
  std::vector<std::string> headers;
  for (const char *name : names)
    headers.push_back(read(name));
  std::vector<const char *> texts;
  for (const std::string &header : headers)
    texts.push_back(header.c_str());
  Nvrtc::Program program;
  ASSERT_EQ(nvrtc.nvrtcCreateProgram(&program, read(path).c_str(), path, std::size(names), texts.data(), names), 0);
  std::string option = std::string("--gpu-architecture=") + architecture;
  const char *options[] = {option.c_str(), "--std=c++17", "-DNDEBUG"};
  int result = nvrtc.nvrtcCompileProgram(program, std::size(options), options);
  size_t size = 0;
  nvrtc.nvrtcGetProgramLogSize(program, &size);
  std::string log(size, '\0');
  nvrtc.nvrtcGetProgramLog(program, log.data());
  EXPECT_EQ(result, 0);
  EXPECT_EQ(std::string(log.c_str()), "");
  if (ptx) {
    nvrtc.nvrtcGetPTXSize(program, &size);
    ptx->resize(size);
    nvrtc.nvrtcGetPTX(program, ptx->data());
  }
  nvrtc.nvrtcDestroyProgram(&program);
}
} // namespace

class NvrtcTest : public testing::TestWithParam<const char *> {
protected:
  void SetUp() override {
    if (!nvrtc.open())
      GTEST_SKIP() << "no NVRTC";
  }
  Nvrtc nvrtc;
};

TEST_P(NvrtcTest, Primitives) { compile(nvrtc, "test/unit/cuda-sim/AllPrimitives.cu", GetParam()); }
TEST_P(NvrtcTest, Good) { compile(nvrtc, "test/unit/cuda-sim/Good.cu", GetParam()); }

INSTANTIATE_TEST_SUITE_P(Architectures, NvrtcTest,
                         testing::Values("sm_80", "sm_86", "sm_89", "sm_90a", "sm_100a", "sm_120a"));

TEST_F(NvrtcTest, Hopper) { compile(nvrtc, "test/unit/cuda-sim/Hopper.cu", "sm_90a"); }

// Vectors are moved in one access.
TEST_F(NvrtcTest, WideAccesses) {
  std::string ptx;
  compile(nvrtc, "test/unit/cuda-sim/Good.cu", "compute_80", &ptx);
  EXPECT_NE(ptx.find("ld.global.nc.v4.u32"), std::string::npos);
  EXPECT_NE(ptx.find("ld.shared.v4"), std::string::npos);
  EXPECT_NE(ptx.find("st.global.v2"), std::string::npos);
}
