// The C++ header: ownership, results, and the example in its first lines.
#include "TestPackage.h"
#include "lathe/lathe.hpp"
#include <cstdio>
#include <gtest/gtest.h>
#include <unistd.h>

namespace {
// A package in a file, removed again.
struct File {
  char path[32] = "/tmp/lathe-cpp-XXXXXX";
  explicit File(const lathe::test::Bytes &bytes) {
    int fd = mkstemp(path);
    EXPECT_EQ(write(fd, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    close(fd);
  }
  ~File() { unlink(path); }
};
} // namespace

TEST(Cpp, RunsByName) {
  File file(lathe::test::gatherPackage());
  lathe::Result<lathe::Runtime> runtime = lathe::Runtime::create();
  ASSERT_TRUE(runtime);
  lathe::Result<lathe::Program> program = runtime->load(file.path);
  ASSERT_TRUE(program) << program.status().message();
  lathe::Program shared = *program; // both are the one program
  *program = lathe::Program();
  lathe::Result<lathe::Context> context = shared.createContext();
  ASSERT_TRUE(context);

  const int64_t ids[] = {1, 9};
  const float mask[] = {1, 2};
  EXPECT_TRUE(context->setInput("ids", lathe::tensor(ids, {1, 2})));
  EXPECT_TRUE(context->setInput("mask", lathe::tensor(mask, {1, 2})));
  lathe::Status run = context->run();
  EXPECT_TRUE(run) << run.message();
  lathe::Result<lathe_tensor> y = context->output("y");
  ASSERT_TRUE(y);
  EXPECT_EQ(lathe::elementCount(*y), 8);
  EXPECT_EQ(static_cast<float *>(y->data)[0], 4.0f);      // 4 * 1 * 1
  EXPECT_EQ(static_cast<float *>(y->data)[7], 39 * 8.0f); // 39 * 2 * 4

  int64_t symbols[] = {1, 2};
  lathe::Result<lathe_memory> memory = shared.memory(symbols);
  ASSERT_TRUE(memory);
  EXPECT_EQ(memory->arena, 64u);
  EXPECT_STREQ(shared.input(1)->name, "mask");
}

TEST(Cpp, DevicesAreUsedAlike) {
  File file(lathe::test::cudaPackage());
  lathe_runtime_options settings = lathe::runtimeOptions();
  settings.cuda_driver = LATHE_CUDA_SIM_LIBRARY;
  lathe::Result<lathe::Runtime> runtime = lathe::Runtime::create(settings);
  ASSERT_TRUE(runtime);
  EXPECT_STREQ(runtime->device("cuda:0")->name, "cuda-sim");
  lathe_load_options options = lathe::loadOptions();
  options.path = file.path;
  options.device = "cuda:0";
  lathe::Result<lathe::Program> program = runtime->load(options);
  ASSERT_TRUE(program) << program.status().message();
  EXPECT_EQ(program->target(1)->oldest_driver, 12000u);
  lathe_context_options watched = lathe::contextOptions();
  watched.monitor = 1;
  lathe::Result<lathe::Context> context = program->createContext(watched);
  ASSERT_TRUE(context) << context.status().message();
  const int64_t ids[] = {1, 9};
  const float mask[] = {1, 2};
  EXPECT_TRUE(context->setInput("ids", lathe::tensor(ids, {1, 2})));
  EXPECT_TRUE(context->setInput("mask", lathe::tensor(mask, {1, 2})));
  EXPECT_TRUE(context->setOutputDevice("y", nullptr, 0)); // stays there
  EXPECT_TRUE(context->runAsync());
  EXPECT_TRUE(context->setOutput("y", nullptr, 0));
  EXPECT_TRUE(context->runAsync());
  EXPECT_TRUE(context->wait());
  EXPECT_EQ(static_cast<float *>(context->output("y")->data)[7], 39 * 8.0f);
  EXPECT_EQ(context->phaseLatency(LATHE_PHASE_COMPUTE)->count, 1u); // of the two, the latest
  EXPECT_FALSE(context->setInputDevice("ids", lathe::tensor(ids, {1, 2})));
}

TEST(Cpp, FailuresCarryTheirReason) {
  lathe::Result<lathe::Runtime> runtime = lathe::Runtime::create();
  lathe::Result<lathe::Program> program = runtime->load("/nonexistent");
  EXPECT_FALSE(program);
  EXPECT_EQ(program.status().code(), LATHE_IO);
  File file(lathe::test::gatherPackage());
  lathe::Result<lathe::Program> good = runtime->load(file.path);
  lathe::Result<lathe::Context> context = good->createContext();
  const float wrong[] = {1};
  lathe::Status status = context->setInput("ids", lathe::tensor(wrong, {1, 1}));
  EXPECT_FALSE(status);
  EXPECT_STREQ(status.message(), "input 'ids': expected i64, got f32");
  EXPECT_FALSE(context->setInput("tokens", lathe::tensor(wrong, {1, 1})));
  EXPECT_FALSE(good->input(5));
}
