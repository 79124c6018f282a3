// Any text as the entries of a tensor's external data, resolved in a folder with every kind of file in it: what is
// accepted is a path inside the model's folder, and what is opened is the one file that lies there.
#include "compiler/Onnx/ExternalData.h"
#include "llvm/Support/FileSystem.h"
#include <cstdio>
#include <cstdlib>
#include <sys/stat.h>
#include <unistd.h>

using namespace lathe::onnxfile;

static void require(bool condition, const char *what) {
  if (condition)
    return;
  std::fprintf(stderr, "error: %s\n", what);
  std::abort();
}

namespace {
/// A model's folder `m` beside a secret, removed at exit.
class Folder {
public:
  Folder() {
    require(!llvm::sys::fs::createUniqueDirectory("lathe-fuzz", root), "no temporary folder");
    for (const char *folder : {"/m", "/m/d", "/mm"})
      ::mkdir(path(folder).c_str(), 0700);
    for (const char *file : {"/m/model.onnx", "/m/w", "/m/d/w"})
      write(file, "inside");
    for (const char *file : {"/s", "/mm/w"})
      write(file, "secret");
    link("w", "/m/l"); // stays inside
    link("../s", "/m/o");
    link("..", "/m/u");
    link("../mm", "/m/d/m");
    link("loop", "/m/loop");
    link("/dev/zero", "/m/z");
    ::mkfifo(path("/m/f").c_str(), 0600);
  }
  ~Folder() { llvm::sys::fs::remove_directories(root); }
  std::string path(const char *name) const { return std::string(root) + name; }

private:
  llvm::SmallString<128> root;

  void write(const char *name, const char *text) const {
    std::FILE *file = std::fopen(path(name).c_str(), "w");
    require(file && std::fputs(text, file) >= 0 && !std::fclose(file), "can't write to the temporary folder");
  }
  void link(const char *to, const char *name) const {
    require(!::symlink(to, path(name).c_str()), "can't link in the temporary folder");
  }
};
} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const Folder folder;
  static const ExternalData files(folder.path("/m/model.onnx"), "");
  // Lines `key=value`.
  llvm::StringRef text(reinterpret_cast<const char *>(data), size);
  llvm::SmallVector<llvm::StringRef> lines;
  text.split(lines, '\n');
  std::vector<std::pair<llvm::StringRef, llvm::StringRef>> entries;
  for (llvm::StringRef line : lines)
    entries.push_back(line.split('='));
  auto location = parseExternalLocation(entries);
  if (!location) {
    llvm::consumeError(location.takeError());
    return 0;
  }
  require(!location->path.empty() && location->path[0] != '/', "an empty or absolute path");
  require(!location->length || location->offset + *location->length >= location->offset, "an overflow");
  llvm::SmallVector<llvm::StringRef> parts;
  llvm::StringRef(location->path).split(parts, '/');
  for (llvm::StringRef part : parts)
    require(!part.empty() && part != "." && part != ".." && !part.contains('\0'), "a part that leads elsewhere");
  auto file = files.open(location->path);
  if (file)
    require((*file)->getBuffer() == "inside", "a file outside the model's folder");
  else
    llvm::consumeError(file.takeError());
  return 0;
}
