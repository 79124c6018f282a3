// Loading: sources, trust, targets, infos, random weights, lazy verification.
#include "Fixture.h"
#include "runtime/Package/RandomWeights.h"
#include "runtime/Package/Sha.h"
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace lathe;
using namespace lathe::test;

namespace {
class Load : public testing::Test {
protected:
  Runtime runtime = makeRuntime();
  Bytes bytes = gatherPackage();
  lathe_program *raw = nullptr;

  Outcome load(const lathe_load_options &options) {
    program.reset();
    Outcome outcome = api().program_load(runtime.get(), &options, &raw);
    program.reset(raw);
    EXPECT_EQ(raw == nullptr, outcome.code != LATHE_OK);
    return outcome;
  }
  void expectRuns() {
    Context context = makeContext(program.get());
    GatherCase c(3, 5);
    c.bind(context.get());
    EXPECT_OK(api().run(context.get()));
    c.expectOutput(context.get());
  }
  Program program;
};

lathe_load_options empty() {
  lathe_load_options options = {};
  options.struct_size = sizeof options;
  return options;
}
} // namespace

TEST_F(Load, FromMemoryFileAndDescriptor) {
  Aligned aligned(bytes);
  EXPECT_EQ(load(loadOptions(aligned)).code, LATHE_OK);
  expectRuns();

  char name[] = "/tmp/lathe-load-XXXXXX";
  int fd = mkstemp(name);
  ASSERT_GE(fd, 0);
  Bytes prefix(192, 0x7f); // as in an executable with the package appended
  ASSERT_EQ(write(fd, prefix.data(), prefix.size()), static_cast<ssize_t>(prefix.size()));
  ASSERT_EQ(write(fd, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  lathe_load_options options = empty();
  options.use_fd = 1;
  options.fd = fd;
  options.offset = 192;
  EXPECT_EQ(load(options).code, LATHE_OK);
  expectRuns();
  options.size = bytes.size();
  EXPECT_EQ(load(options).code, LATHE_OK);
  options.offset = 191;
  EXPECT_TRUE(load(options).mentions("multiple of 64"));
  options.offset = 192 + 64;
  EXPECT_EQ(load(options).code, LATHE_CORRUPT);

  ASSERT_EQ(ftruncate(fd, 0), 0);
  ASSERT_EQ(pwrite(fd, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  options = empty();
  options.path = name;
  EXPECT_EQ(load(options).code, LATHE_OK);
  expectRuns();
  close(fd);
  unlink(name);
}

TEST_F(Load, BadSourcesAreErrors) {
  lathe_load_options options = empty();
  EXPECT_TRUE(load(options).mentions("exactly one of path, memory and fd"));
  options.path = "/nonexistent/model.lathe";
  Outcome missing = load(options);
  EXPECT_EQ(missing.code, LATHE_IO);
  EXPECT_TRUE(missing.mentions("cannot open '/nonexistent/model.lathe'")) << missing;
  options.path = "/tmp";
  EXPECT_TRUE(load(options).mentions("not a regular file"));
  options.path = "/dev/null";
  EXPECT_TRUE(load(options).mentions("not a regular file"));
}

TEST_F(Load, NewerPackagesAreRefusedWithAHint) {
  auto changed = [&](size_t offset, uint8_t value) {
    Bytes other = bytes;
    other[offset] = value;
    rehash(other);
    Aligned aligned(other);
    return load(loadOptions(aligned));
  };
  Outcome major = changed(offsetof(package::Header, major), 2);
  EXPECT_EQ(major.code, LATHE_UNSUPPORTED);
  std::string expected = "expected a package of format 1.x, got 2." + std::to_string(package::kFormatMinor);
  EXPECT_TRUE(major.mentions((expected + "; hint: use a newer runtime").c_str())) << major;
  EXPECT_EQ(changed(offsetof(package::Header, required_features), 4).code, LATHE_UNSUPPORTED);
  EXPECT_EQ(changed(offsetof(package::Header, minor), 9).code, LATHE_OK); // with known features only
}

TEST_F(Load, TrustNeedsTheRightDigestOrKey) {
  Aligned aligned(bytes);
  lathe_load_options options = loadOptions(aligned, LATHE_VERIFY_LAZY);
  uint8_t digest[32];
  runtime::sha256(bytes.data(), 128, false, digest);
  options.expected_digest = digest;
  EXPECT_EQ(load(options).code, LATHE_OK);
  options.verify = LATHE_VERIFY_OFF;
  EXPECT_EQ(load(options).code, LATHE_INVALID_ARGUMENT);
  options.verify = LATHE_VERIFY_LAZY;
  digest[31] ^= 1;
  EXPECT_EQ(load(options).code, LATHE_UNTRUSTED);
  uint8_t signature[64] = {}, key[32] = {};
  options.expected_digest = nullptr;
  options.signature = signature;
  EXPECT_EQ(load(options).code, LATHE_INVALID_ARGUMENT);
  options.public_key = key;
  EXPECT_EQ(load(options).code, LATHE_UNTRUSTED);
}

TEST_F(Load, InfosDescribeTheProgram) {
  Aligned aligned(bytes);
  ASSERT_EQ(load(loadOptions(aligned)).code, LATHE_OK);
  lathe_program_info info = {};
  info.struct_size = sizeof info;
  EXPECT_OK(api().program_info(program.get(), &info));
  EXPECT_STREQ(info.name, "gather");
  EXPECT_STREQ(info.target, "x86-64");
  EXPECT_STREQ(info.metadata, "{\"compiler\":\"test\"}");
  EXPECT_EQ(info.weight_bytes, 208u);
  EXPECT_EQ(info.file_size, bytes.size());
  lathe_entry_info entry = {};
  entry.struct_size = sizeof entry;
  EXPECT_OK(api().entry_info(program.get(), 0, &entry));
  EXPECT_STREQ(entry.arena, "ceildiv(batch*sequence*16, 64)*64");
  EXPECT_EQ(entry.launch_count, 2u);
  lathe_value_info value = {};
  value.struct_size = sizeof value;
  EXPECT_OK(api().output_info(program.get(), 0, 0, &value));
  EXPECT_STREQ(value.formulas[1], "sequence");
  EXPECT_EQ(value.dims[1], -1);
  EXPECT_EQ(value.dims[2], 4);
  lathe_launch_info launch = {};
  launch.struct_size = sizeof launch;
  EXPECT_OK(api().launch_info(program.get(), 0, 1, &launch));
  EXPECT_EQ(launch.origin_count, 2u);
  EXPECT_STREQ(launch.origins[1], "gain/Mul");
  EXPECT_FAILS(api().launch_info(program.get(), 0, 2, &launch), LATHE_INVALID_ARGUMENT, "launch 2 does not exist");
  EXPECT_FAILS(api().entry_info(program.get(), 1, &entry), LATHE_INVALID_ARGUMENT, "entry 1 does not exist");
  lathe_symbol_info symbolInfo = {};
  symbolInfo.struct_size = offsetof(lathe_symbol_info, max); // an older caller: `max` stays untouched
  symbolInfo.max = -7;
  EXPECT_OK(api().symbol_info(program.get(), 1, &symbolInfo));
  EXPECT_STREQ(symbolInfo.name, "sequence");
  EXPECT_EQ(symbolInfo.max, -7);
}

TEST_F(Load, MemoryIsAFormula) {
  Aligned aligned(bytes);
  ASSERT_EQ(load(loadOptions(aligned)).code, LATHE_OK);
  int64_t symbols[2] = {3, 7};
  lathe_memory memory = {};
  memory.struct_size = sizeof memory;
  EXPECT_OK(api().memory(program.get(), 0, symbols, 2, &memory));
  EXPECT_EQ(memory.arena, 384u); // 21 rows of 16 bytes, in blocks of 64
  EXPECT_EQ(memory.scratch, 2 * 128u);
  EXPECT_EQ(memory.outputs, 21 * 16u);
  EXPECT_EQ(memory.peak, 384u + 256 + 336 + 208);
  symbols[0] = symbols[1] = int64_t(1) << 40;
  EXPECT_FAILS(api().memory(program.get(), 0, symbols, 1, &memory), LATHE_SHAPE, "overflows");
}

TEST_F(Load, TargetsAreChosenOrForced) {
  Model model = gatherModel();
  model.targets = {{"x86-64-v9", 0}, {"x86-64", 0}, {"x86-64+unheard-of", 0}};
  for (Kernel &kernel : model.kernels)
    kernel.variants = {kernel.variants[0], kernel.variants[0], kernel.variants[0]};
  Aligned aligned(assemble(buildTable(model), gatherSegments()));
  lathe_load_options options = loadOptions(aligned);
  EXPECT_EQ(load(options).code, LATHE_OK);
  EXPECT_STREQ(api().target_name(program.get(), 2), "x86-64+unheard-of");
  EXPECT_EQ(api().target_name(program.get(), 3), nullptr);
  options.target = "x86-64";
  EXPECT_EQ(load(options).code, LATHE_OK);
  options.target = "x86-64-v9";
  EXPECT_EQ(load(options).code, LATHE_UNSUPPORTED);
  options.target = "arm";
  EXPECT_TRUE(load(options).mentions("no code for 'arm', it has: x86-64-v9 x86-64 x86-64+unheard-of"));
  model.targets = {{"x86-64-v9", 0}};
  for (Kernel &kernel : model.kernels)
    kernel.variants.resize(1);
  Aligned none(assemble(buildTable(model), gatherSegments()));
  EXPECT_EQ(load(loadOptions(none)).code, LATHE_UNSUPPORTED);
}

TEST_F(Load, RandomWeightsAreExpandedInTheirLayout) {
  Model model = gatherModel();
  model.weights[0] = {"table", package::ElementType::f32, 160, 0, 0, 10, 4, 0, true, 17, 5, 0.5f};
  Aligned aligned(assemble(buildTable(model), gatherSegments()));
  ASSERT_EQ(load(loadOptions(aligned)).code, LATHE_OK);
  Context context = makeContext(program.get());
  GatherCase c(1, 10);
  for (size_t i = 0; i < 10; ++i) {
    c.ids[i] = static_cast<int64_t>(i);
    c.mask[i] = 1;
    for (size_t j = 0; j < 4; ++j)
      c.expected[i * 4 + j] = 0.5f * package::randomUnit(17, 5, i * 4 + j) * static_cast<float>(j + 1);
  }
  c.bind(context.get());
  EXPECT_OK(api().run(context.get()));
  c.expectOutput(context.get());

  // As a 13 x 3 matrix in panels of 2, the last one half empty: rows x 2, then rows x 1 + zero.
  model.weights[0] = {"table", package::ElementType::f32, 13 * 4 * 4, 0, 0, 13, 3, 2, true, 17, 5, 1.0f};
  Aligned panels(assemble(buildTable(model), gatherSegments()));
  ASSERT_EQ(load(loadOptions(panels)).code, LATHE_OK);
  Context other = makeContext(program.get());
  std::vector<float> packed;
  for (uint64_t panel = 0; panel < 2; ++panel)
    for (uint64_t row = 0; row < 13; ++row)
      for (uint64_t column = 2 * panel; column < 2 * panel + 2; ++column)
        packed.push_back(column < 3 ? package::randomUnit(17, 5, row * 3 + column) : 0);
  for (size_t i = 0; i < 40; ++i)
    c.expected[i] = packed[i] * static_cast<float>(i % 4 + 1);
  c.bind(other.get());
  EXPECT_OK(api().run(other.get()));
  c.expectOutput(other.get());

  // The same with two rows together: a row of zeros behind the 13.
  model.weights[0] = {"table", package::ElementType::f32, 14 * 4 * 4, 0, 0, 13, 3, 2, true, 17, 5, 1.0f, 2};
  Aligned deep(assemble(buildTable(model), gatherSegments()));
  ASSERT_EQ(load(loadOptions(deep)).code, LATHE_OK);
  Context third = makeContext(program.get());
  packed.clear();
  for (uint64_t panel = 0; panel < 2; ++panel)
    for (uint64_t row = 0; row < 14; row += 2)
      for (uint64_t column = 2 * panel; column < 2 * panel + 2; ++column)
        for (uint64_t k = row; k < row + 2; ++k)
          packed.push_back(k < 13 && column < 3 ? package::randomUnit(17, 5, k * 3 + column) : 0);
  for (size_t i = 0; i < 40; ++i)
    c.expected[i] = packed[i] * static_cast<float>(i % 4 + 1);
  c.bind(third.get());
  EXPECT_OK(api().run(third.get()));
  c.expectOutput(third.get());
}

TEST(RandomWeights, AreInRangeAndCentred) {
  double sum = 0, squares = 0;
  for (uint64_t i = 0; i < 100000; ++i) {
    float u = package::randomUnit(1, 2, i);
    ASSERT_GE(u, -1.0f);
    ASSERT_LT(u, 1.0f);
    sum += u;
    squares += double(u) * u;
  }
  EXPECT_NEAR(sum / 1e5, 0, 0.01); // 5 standard deviations: sqrt(1/3) / sqrt(1e5) * 5
  EXPECT_NEAR(squares / 1e5, 1.0 / 3, 0.005);
}

TEST_F(Load, WeightsAreVerifiedAtTheirFirstTouch) {
  size_t weights = 0; // where the weights segment is: the first 4096-aligned part with the table's second element, 1.0f
  for (weights = 4096; bytes[weights + 7] != 0x3f || bytes[weights + 6] != 0x80; weights += 4096)
    ASSERT_LT(weights + 4096, bytes.size());
  Bytes other = bytes;
  other[weights + 100] ^= 1;
  Aligned aligned(other);
  EXPECT_EQ(load(loadOptions(aligned, LATHE_VERIFY_EAGER)).code, LATHE_CORRUPT);
  EXPECT_EQ(load(loadOptions(aligned, LATHE_VERIFY_OFF)).code, LATHE_OK);
  EXPECT_EQ(load(loadOptions(aligned, LATHE_VERIFY_LAZY)).code, LATHE_OK);
  Context context = makeContext(program.get());
  GatherCase none(0, 4), some(1, 4);
  none.bind(context.get());
  EXPECT_OK(api().run(context.get())); // nothing is launched, nothing is touched
  some.bind(context.get());
  for (int i = 0; i < 2; ++i) {
    Outcome outcome = api().run(context.get());
    EXPECT_EQ(outcome.code, LATHE_CORRUPT) << outcome;
    EXPECT_EQ(outcome.offset, weights);
    EXPECT_EQ(outcome.node, "embedding/Gather");
  }
  aligned.data()[weights + 100] ^= 1;
  EXPECT_OK(api().run(context.get()));
}

TEST_F(Load, OnlyTheChunksThatAWeightCoversAreHashed) {
  Model model = gatherModel();
  std::vector<SegmentData> segments = gatherSegments();
  Bytes &weights = segments[1].bytes;
  uint64_t far = 2 * package::kWeightChunk; // the gain moves to the third chunk
  weights.resize(far);
  weights.insert(weights.end(), weights.begin() + 192, weights.begin() + 208);
  model.weights[1].offset = far;
  Bytes large = assemble(buildTable(model), segments);
  large[large.size() - package::kWeightChunk] ^= 1; // in the second chunk, which no weight uses
  Aligned aligned(large);
  EXPECT_EQ(load(loadOptions(aligned, LATHE_VERIFY_EAGER)).code, LATHE_CORRUPT);
  ASSERT_EQ(load(loadOptions(aligned, LATHE_VERIFY_LAZY)).code, LATHE_OK);
  expectRuns();
}

TEST_F(Load, PerfLearnsTheKernelsNames) {
  std::string path = "/tmp/perf-" + std::to_string(getpid()) + ".map";
  unlink(path.c_str());
  Aligned aligned(bytes);
  lathe_load_options options = loadOptions(aligned);
  options.flags = LATHE_LOAD_PERF_MAP;
  EXPECT_EQ(load(options).code, LATHE_OK);
  std::ifstream file(path);
  std::string text(std::istreambuf_iterator<char>(file), {});
  for (const char *name : {" gather_rows\n", " scale_rows\n"})
    EXPECT_NE(text.find(name), std::string::npos) << text;
  unlink(path.c_str());
  ASSERT_EQ(symlink("/dev/full", path.c_str()), 0); // a link is not followed
  EXPECT_EQ(load(options).code, LATHE_IO);
  unlink(path.c_str());
  options.flags = 64;
  EXPECT_EQ(load(options).code, LATHE_UNSUPPORTED);
}

TEST(Api, NullArgumentsAreErrors) {
  EXPECT_EQ(lathe_get_api(0), nullptr);
  EXPECT_EQ(lathe_get_api(LATHE_API_VERSION + 1), nullptr);
  EXPECT_FAILS(api().runtime_create(nullptr, nullptr), LATHE_INVALID_ARGUMENT, "NULL");
  EXPECT_FAILS(api().program_load(nullptr, nullptr, nullptr), LATHE_INVALID_ARGUMENT, "NULL");
  EXPECT_FAILS(api().context_create(nullptr, nullptr, nullptr), LATHE_INVALID_ARGUMENT, "NULL");
  EXPECT_FAILS(api().run(nullptr), LATHE_INVALID_ARGUMENT, "NULL");
  EXPECT_FAILS(api().program_info(nullptr, nullptr), LATHE_INVALID_ARGUMENT, "NULL");
  lathe_runtime_options unsized = {};
  lathe_runtime *runtime;
  EXPECT_FAILS(api().runtime_create(&unsized, &runtime), LATHE_INVALID_ARGUMENT, "struct_size is not set");
  api().runtime_release(nullptr);
  api().program_release(nullptr);
  api().context_release(nullptr);
  api().status_release(nullptr);
  EXPECT_EQ(api().status_code(nullptr), LATHE_OK);
}

// In a process that may not make memory executable, loading says so. The child reports by its exit code.
TEST(Api, RefusedExecutableMemoryIsExplained) {
  Aligned package(gatherPackage());
  pid_t child = fork();
  ASSERT_GE(child, 0);
  if (!child) {
    if (prctl(65 /* PR_SET_MDWE */, 1 /* PR_MDWE_REFUSE_EXEC_GAIN */, 0, 0, 0))
      _exit(2);
    Runtime runtime = makeRuntime();
    lathe_load_options options = loadOptions(package);
    lathe_program *program;
    Outcome outcome = api().program_load(runtime.get(), &options, &program);
    _exit(outcome.code == LATHE_UNSUPPORTED && outcome.mentions("executable memory") ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
    GTEST_SKIP() << "this kernel has no PR_SET_MDWE";
  EXPECT_EQ(status, 0);
}

TEST(Api, ParentsMayBeReleasedFirst) {
  Aligned package(gatherPackage());
  Runtime runtime = makeRuntime(2);
  Program program = makeProgram(runtime.get(), package);
  Context context = makeContext(program.get());
  runtime.reset();
  program.reset();
  GatherCase c(2, 3);
  c.bind(context.get());
  EXPECT_OK(api().run(context.get()));
  c.expectOutput(context.get());
}

TEST(Api, LoadsAreLogged) {
  std::string log;
  lathe_logger logger = {&log, LATHE_LOG_DEBUG, [](void *self, lathe_log_level, const char *message) {
                           *static_cast<std::string *>(self) += message;
                         }};
  lathe_runtime_options options = {};
  options.struct_size = sizeof options;
  options.logger = &logger;
  options.threads = 1;
  lathe_runtime *runtime;
  EXPECT_OK(api().runtime_create(&options, &runtime));
  Runtime owner(runtime);
  Aligned package(gatherPackage());
  makeProgram(runtime, package);
  EXPECT_NE(log.find("loaded 'gather' for x86-64"), std::string::npos) << log;
}
