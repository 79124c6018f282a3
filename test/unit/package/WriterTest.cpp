// Packages written by the compiler, read and run by the runtime.
#include "compiler/Package/Writer.h"
#include "../runtime/Fixture.h"
#include "mlir/Parser/Parser.h"
#include "runtime/Package/RandomWeights.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <fstream>
#include <iterator>
#include <sstream>

using namespace mlir;
using namespace lathe;
using namespace lathe::test;

namespace {
// Each launch adds a weight's stored elements to x. @a and @b are equal, @t is stored transposed, @r made at load.
constexpr const char *kModule = R"(
!x = tensor<?xf32, #tfm.dims<n>>
module attributes {tfm.symbols = {n = array<i64: 0, 1000>}} {
  tfm.weight @a : tensor<3x2xf32> = dense<[[1., 2.], [3., 4.], [5., 6.]]> : tensor<3x2xf32> {origin = "layer.weight"}
  tfm.weight @b : tensor<3x2xf32> = dense<[[1., 2.], [3., 4.], [5., 6.]]> : tensor<3x2xf32>
  tfm.weight @r : tensor<3x2xf32> = #tfm.random<7, 1, 0.5 : f32>
  kernel.func @rows(%x: !x, %w: tensor<3x2xf32>) -> !x attributes {anchor = #kernel.anchor<map>, schedules =
      [#kernel.schedule<target = "x86-64", tiles = <1>, scratch = <0>, options = {}>]} {
    kernel.return %x : !x
  }
  kernel.func @panels(%x: !x, %w: tensor<3x2xf32>) -> !x attributes {anchor = #kernel.anchor<map>, schedules =
      [#kernel.schedule<target = "x86-64", tiles = <1>, scratch = <64*ceildiv(n, 16)>, options = {}>]} {
    kernel.return %x : !x
  }
  program.entry @main arena(<64*ceildiv(4*n, 64)>) {
    tfm.require <n>, <max(n, 0)>, "never fails"
    %x = program.input "x" : !x
    %y = program.output "y" : !x
    %z = program.output "z" : !x
    %u = program.output "u" : !x
    %a = program.weight @a
    %b = program.weight @b
    %t = program.weight @a layout <width = 4, transposed = true>
    %r = program.weight @r layout <width = 4, transposed = true>
    %buffer = program.buffer <0> size <4*n>
    program.launch @rows(%x, %a) -> (%buffer) flops <2*n> origins ["first", "second"]
    program.launch @rows(%buffer, %b) -> (%y)
    program.launch @panels(%x, %t) -> (%z)
    program.launch @panels(%x, %r) -> (%u)
  }
})";

class Writer : public testing::Test {
protected:
  Writer() {
    DialectRegistry registry;
    registry.insert<tfm::TfmDialect, kernel::KernelDialect, program::ProgramDialect>();
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    llvm::sys::fs::createUniqueDirectory("lathe-writer", folder);
    elf = kernelElf();
  }
  ~Writer() override { llvm::sys::fs::remove_directories(folder); }

  std::string pathOf(StringRef name) { return (folder + "/" + name).str(); }

  FailureOr<package::Summary> write(StringRef text, StringRef path) {
    auto module = parseSourceString<ModuleOp>(text, &context);
    EXPECT_TRUE(module);
    package::TargetCode code{
        "x86-64", std::vector<char>(elf.begin(), elf.end()), {{"rows", {"add_stored"}}, {"panels", {"add_stored"}}}};
    package::WriteOptions options;
    options.name = "test";
    options.metadata["compiler"] = "test";
    return package::writePackage(*module, code, options, path);
  }
  /// The message that writing fails with.
  std::string failToWrite(StringRef text, StringRef path) {
    std::string message;
    ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) { message += diagnostic.str() + "\n"; });
    EXPECT_TRUE(failed(write(text, path)));
    return message;
  }
  static Bytes read(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    return Bytes(std::istreambuf_iterator<char>(file), {});
  }

  MLIRContext context;
  SmallString<128> folder;
  Bytes elf;
};
} // namespace

TEST_F(Writer, TheRuntimeRunsIt) {
  std::string path = pathOf("model.lathe");
  auto summary = write(kModule, path);
  ASSERT_TRUE(succeeded(summary));
  Bytes bytes = read(path);
  EXPECT_EQ(summary->packageBytes, bytes.size());
  EXPECT_EQ(summary->parameters, 18);
  EXPECT_EQ(summary->launches, 4u);
  EXPECT_EQ(summary->kernels.size(), 2u);
  EXPECT_EQ(summary->arenaAtGreatest, 4032);

  Runtime runtime = makeRuntime();
  Aligned aligned(bytes);
  Program program = makeProgram(runtime.get(), aligned);
  ASSERT_TRUE(program);
  Context context = makeContext(program.get());
  std::vector<float> x = {0.5, 0, 0, 0, 0, 0};
  lathe_tensor input = test::tensor(LATHE_F32, x.data(), {6});
  EXPECT_OK(api().set_input(context.get(), 0, &input));
  EXPECT_OK(api().run(context.get()));
  auto output = [&](uint32_t index) {
    lathe_tensor y;
    EXPECT_OK(api().output(context.get(), index, &y));
    auto *values = static_cast<const float *>(y.data);
    return std::vector<float>(values, values + 6);
  };
  EXPECT_EQ(output(0), (std::vector<float>{2.5, 4, 6, 8, 10, 12}));
  // The transpose of @a is 1 3 5 / 2 4 6: one panel of four columns, filled up with zeros.
  EXPECT_EQ(output(1), (std::vector<float>{1.5, 3, 5, 0, 2, 4}));
  auto random = [](int i) { return 0.5f * lathe::package::randomUnit(7, 1, i); };
  EXPECT_EQ(output(2), (std::vector<float>{0.5f + random(0), random(2), random(4), 0, random(1), random(3)}));
}

TEST_F(Writer, EqualInputsGiveEqualBytes) {
  ASSERT_TRUE(succeeded(write(kModule, pathOf("a"))));
  ASSERT_TRUE(succeeded(write(kModule, pathOf("b"))));
  EXPECT_EQ(read(pathOf("a")), read(pathOf("b")));
}

TEST_F(Writer, EqualWeightsAreStoredOnce) {
  std::string other = kModule;
  size_t at = other.find("5., 6.]]", other.find("@b"));
  other.replace(at, 8, "5., 7.]]");
  auto once = write(kModule, pathOf("once")), twice = write(other, pathOf("twice"));
  ASSERT_TRUE(succeeded(once) && succeeded(twice));
  EXPECT_GT(twice->packageBytes, once->packageBytes);
}

TEST_F(Writer, NothingIsLeftOfAFailure) {
  EXPECT_NE(failToWrite(kModule, pathOf("missing/model.lathe")).find("can't write"), std::string::npos);
  std::string unbound = kModule;
  unbound.replace(unbound.find("size <4*n>"), 10, "size <4*m>");
  unbound.replace(unbound.find("n = array<i64: 0, 1000>"), 23, "n = array<i64: 0, 1000>, m = array<i64: 0, 1000>");
  unbound.replace(unbound.find("arena(<64*ceildiv(4*n, 64)>)"), 28, "arena(<100000>)");
  EXPECT_NE(failToWrite(unbound, pathOf("model.lathe")).find("symbol 'm' is used in '4*m' but is no dimension"),
            std::string::npos);
  std::string missing = kModule;
  missing.replace(missing.find("dense<[[1., 2.], [3., 4.], [5., 6.]]> : tensor<3x2xf32> {origin"), 63,
                  "#tfm.file<\"no-such-file\", 0> {origin");
  EXPECT_NE(failToWrite(missing, pathOf("model.lathe")).find("no-such-file"), std::string::npos);
  std::error_code error;
  EXPECT_EQ(llvm::sys::fs::directory_iterator(folder, error), llvm::sys::fs::directory_iterator());
}

TEST_F(Writer, AFullDiskIsAnError) {
  if (!llvm::sys::fs::exists("/dev/full"))
    GTEST_SKIP() << "no /dev/full";
  EXPECT_NE(failToWrite(kModule, "/dev/full").find("No space left"), std::string::npos);
}
