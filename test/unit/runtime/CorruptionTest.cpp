// Every one-byte change and every truncation of a package is noticed when it is loaded eagerly.
#include "Fixture.h"
#include "runtime/Package/Format.h"

using namespace lathe::test;

namespace {
class Corruption : public testing::Test {
protected:
  Runtime runtime = makeRuntime();
  Bytes bytes = gatherPackage();
  Aligned package{bytes};

  lathe_code load(size_t size) {
    lathe_load_options options = loadOptions(package);
    options.size = size;
    lathe_program *program;
    lathe_status *status = api().program_load(runtime.get(), &options, &program);
    lathe_code code = api().status_code(status);
    api().status_release(status);
    EXPECT_EQ(program != nullptr, code == LATHE_OK);
    api().program_release(program);
    return code;
  }
};
} // namespace

TEST_F(Corruption, TheUnchangedPackageLoads) { EXPECT_EQ(load(package.size()), LATHE_OK); }

TEST_F(Corruption, EveryChangedByteIsRejected) {
  for (size_t i = 0; i < package.size(); ++i)
    for (int change = 1; change < 256; change = i < sizeof(lathe::package::Header) ? change + 1 : change * 8 + 7) {
      package.data()[i] ^= static_cast<uint8_t>(change);
      lathe_code code = load(package.size());
      package.data()[i] ^= static_cast<uint8_t>(change);
      ASSERT_TRUE(code == LATHE_CORRUPT || code == LATHE_UNSUPPORTED)
          << "byte " << i << " ^ " << change << ": " << code;
    }
}

TEST_F(Corruption, EveryTruncationIsRejected) {
  for (size_t size = 0; size < package.size(); ++size)
    ASSERT_EQ(load(size), LATHE_CORRUPT) << size;
}

TEST_F(Corruption, TrailingBytesAreRejected) {
  Bytes longer = bytes;
  longer.resize(bytes.size() + 4096);
  package = Aligned(longer);
  ASSERT_EQ(load(bytes.size() + 1), LATHE_CORRUPT);
  ASSERT_EQ(load(bytes.size() + 4096), LATHE_CORRUPT);
}
