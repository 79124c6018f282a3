// Any text as the entries of a tensor's external data: what is accepted stays inside the model's folder.
#include "compiler/Onnx/ExternalData.h"
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  // Lines `key=value`.
  llvm::StringRef text(reinterpret_cast<const char *>(data), size);
  llvm::SmallVector<llvm::StringRef> lines;
  text.split(lines, '\n');
  std::vector<std::pair<llvm::StringRef, llvm::StringRef>> entries;
  for (llvm::StringRef line : lines)
    entries.push_back(line.split('='));
  auto location = lathe::onnxfile::parseExternalLocation(entries);
  if (!location) {
    llvm::consumeError(location.takeError());
    return 0;
  }
  bool isBad = location->path.empty() || location->path[0] == '/' ||
               (location->length && location->offset + *location->length < location->offset);
  llvm::SmallVector<llvm::StringRef> parts;
  llvm::StringRef(location->path).split(parts, '/');
  for (llvm::StringRef part : parts)
    isBad |= part.empty() || part == "." || part == ".." || part.contains('\0');
  if (isBad)
    std::abort();
  return 0;
}
