#include "tools/lathe-run/AppendedPackage.h"
#include "tools/lathe-run/Tensor.h"
#include <gtest/gtest.h>

using namespace lathe::tool;

namespace {
std::optional<AppendedPackage> findIn(size_t packageOffset, size_t packageSize, uint64_t written, std::string &error) {
  std::string file(packageOffset + packageSize, 'x');
  file.append(kTrailerMagic, sizeof kTrailerMagic);
  for (int i = 0; i < 8; ++i)
    file += char(written >> (8 * i));
  std::string path = testing::TempDir() + "/lathe-appended-package-test";
  EXPECT_TRUE(writeFile(path, file.data(), file.size(), error)) << error;
  std::optional<AppendedPackage> found = findAppendedPackage(path, error);
  remove(path.c_str());
  return found;
}

TEST(AppendedPackage, FindsThePackage) {
  std::string error;
  std::optional<AppendedPackage> found = findIn(8192, 500, 8192, error);
  ASSERT_TRUE(found) << error;
  EXPECT_EQ(found->offset, 8192u);
  EXPECT_EQ(found->size, 500u);
}

TEST(AppendedPackage, RejectsOffsetsThatMakeNoSense) {
  std::string error;
  for (uint64_t offset : {uint64_t(1), uint64_t(12288), uint64_t(1) << 63, ~uint64_t(0)}) {
    EXPECT_FALSE(findIn(8192, 500, offset, error)) << offset;
    EXPECT_FALSE(error.empty());
  }
  EXPECT_FALSE(findIn(4096, 0, 4096, error));
}

TEST(AppendedPackage, ReplacesWhatWasAppended) {
  std::string dir = testing::TempDir() + "/lathe-append-", error;
  ASSERT_TRUE(writeFile(dir + "runner", "runner", 6, error) && writeFile(dir + "one", "first", 5, error) &&
              writeFile(dir + "two", "2", 1, error));
  ASSERT_TRUE(appendPackage(dir + "runner", dir + "one", dir + "out", error)) << error;
  ASSERT_TRUE(appendPackage(dir + "out", dir + "two", dir + "two", error)) << error; // onto the package's own name
  std::optional<AppendedPackage> found = findAppendedPackage(dir + "two", error);
  ASSERT_TRUE(found) << error;
  EXPECT_EQ(found->offset, kPackageAlignment);
  EXPECT_EQ(found->size, 1u);
  std::vector<uint8_t> bytes;
  ASSERT_TRUE(readFile(dir + "two", bytes, error)) << error;
  EXPECT_EQ(std::string(bytes.begin(), bytes.begin() + 7), std::string("runner\0", 7));
  EXPECT_EQ(bytes[kPackageAlignment], '2');
  EXPECT_FALSE(appendPackage(dir + "none", dir + "one", dir + "out", error));
  EXPECT_NE(error.find("none'"), std::string::npos);
  for (const char *name : {"runner", "one", "two", "out"})
    remove((dir + name).c_str());
}

TEST(AppendedPackage, OrdinaryProgramsHaveNone) {
  std::string error = "x";
  EXPECT_FALSE(findAppendedPackage(executablePath(), error));
  EXPECT_TRUE(error.empty());
}
} // namespace
