// Locations of external data, and the files they may reach.
#include "compiler/Onnx/ExternalData.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <fcntl.h>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace lathe::onnxfile;

namespace {
std::string messageOf(llvm::Error error) { return llvm::toString(std::move(error)); }

TEST(ExternalLocation, OnlyRelativePathsInsideAreTaken) {
  EXPECT_EQ(llvm::cantFail(normalizeLocation("weights.bin")), "weights.bin");
  EXPECT_EQ(llvm::cantFail(normalizeLocation("./a//b")), "a/b");
  for (llvm::StringRef bad : {"", "/etc/passwd", "../x", "a/../../x", "a/..", ".", "a\\b"})
    EXPECT_NE(messageOf(normalizeLocation(bad).takeError()), "") << bad.str();
  EXPECT_NE(messageOf(normalizeLocation(llvm::StringRef("a\0b", 3)).takeError()), "");
}

TEST(ExternalLocation, NumbersAreChecked) {
  auto location = parseExternalLocation({{"location", "w"}, {"offset", "4096"}, {"length", "12"}});
  ASSERT_TRUE(bool(location));
  EXPECT_EQ(location->offset, 4096u);
  EXPECT_EQ(location->length, 12u);
  for (llvm::StringRef bad : {"-1", "0x10", " 1", "1 ", "", "18446744073709551616", "1e3"})
    EXPECT_NE(messageOf(parseExternalLocation({{"location", "w"}, {"offset", bad}}).takeError()), "") << bad.str();
  auto overflow = parseExternalLocation({{"location", "w"}, {"offset", "18446744073709551615"}, {"length", "2"}});
  EXPECT_NE(messageOf(overflow.takeError()).find("overflows"), std::string::npos);
  EXPECT_NE(messageOf(parseExternalLocation({{"offset", "0"}}).takeError()), "");
}

/// A folder of its own for each test: outside/, model/, and a cache as downloads make them.
class ExternalFiles : public testing::Test {
protected:
  void SetUp() override {
    ASSERT_FALSE(llvm::sys::fs::createUniqueDirectory("lathe-external", root));
    for (const char *folder : {"outside", "model", "model/sub", "cache", "cache/blobs", "cache/snapshot"})
      ASSERT_FALSE(llvm::sys::fs::create_directory(in(folder)));
    for (const char *file : {"outside/secret", "model/model.onnx", "model/weights.bin", "model/sub/more.bin",
                             "cache/blobs/1", "cache/blobs/2"})
      std::ofstream(in(file)) << file;
  }
  void TearDown() override { llvm::sys::fs::remove_directories(root); }
  std::string in(llvm::StringRef path) { return (root + "/" + path).str(); }
  void link(llvm::StringRef target, llvm::StringRef path) {
    ASSERT_EQ(::symlink(target.str().c_str(), in(path).c_str()), 0);
  }
  std::string open(llvm::StringRef model, llvm::StringRef location, llvm::StringRef directory = "") {
    auto buffer = ExternalData(in(model), directory.empty() ? "" : in(directory)).open(location);
    return buffer ? (*buffer)->getBuffer().str() : "error: " + messageOf(buffer.takeError());
  }

  llvm::SmallString<128> root;
};

TEST_F(ExternalFiles, LiesBesideTheModel) {
  EXPECT_EQ(open("model/model.onnx", "weights.bin"), "model/weights.bin");
  EXPECT_EQ(open("model/model.onnx", "sub/more.bin"), "model/sub/more.bin");
  EXPECT_NE(open("model/model.onnx", "none.bin").find("is missing"), std::string::npos);
}

TEST_F(ExternalFiles, AnotherFolderReplacesTheModels) {
  EXPECT_EQ(open("cache/snapshot/model.onnx", "weights.bin", "model"), "model/weights.bin");
  EXPECT_NE(open("model/model.onnx", "weights.bin", "outside").find("is missing"), std::string::npos);
}

TEST_F(ExternalFiles, ALinkMayNotLeaveTheFolder) {
  link("../outside/secret", "model/weights.link");
  link("../outside", "model/folder");
  EXPECT_NE(open("model/model.onnx", "weights.link").find("leaves the model's folder"), std::string::npos);
  EXPECT_NE(open("model/model.onnx", "folder/secret").find("leaves the model's folder"), std::string::npos);
}

TEST_F(ExternalFiles, ADownloadCachesLinksAreFollowed) {
  link("../blobs/1", "cache/snapshot/model.onnx");
  link("../blobs/2", "cache/snapshot/model.onnx_data");
  EXPECT_EQ(open("cache/snapshot/model.onnx", "model.onnx_data"), "cache/blobs/2");
}

TEST_F(ExternalFiles, APrefixOfANameIsNotTheFolder) {
  ASSERT_FALSE(llvm::sys::fs::create_directory(in("model2")));
  std::ofstream(in("model2/secret")) << "secret";
  link("../model2/secret", "model/near.link");
  EXPECT_NE(open("model/model.onnx", "near.link").find("leaves the model's folder"), std::string::npos);
}

TEST_F(ExternalFiles, OnlyRegularFilesAreOpened) {
  ASSERT_EQ(::mkfifo(in("model/fifo").c_str(), 0600), 0);
  EXPECT_NE(open("model/model.onnx", "fifo").find("expected a regular file"), std::string::npos);
  EXPECT_NE(open("model/model.onnx", "sub").find("expected a regular file"), std::string::npos);
}
} // namespace
