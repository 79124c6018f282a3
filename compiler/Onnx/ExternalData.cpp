// Reads external_data entries and opens the files they name.
#include "compiler/Onnx/ExternalData.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CheckedArithmetic.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace llvm;
using namespace lathe::onnxfile;

template <typename... Ts> static Error makeError(std::errc code, const char *format, const Ts &...values) {
  return createStringError(std::make_error_code(code), formatv(format, values...).str());
}

Expected<std::string> lathe::onnxfile::normalizeLocation(StringRef location) {
  auto refuse = [&](const char *why) {
    return makeError(std::errc::invalid_argument,
                     "external data location '{0}' {1}; hint: it must be a relative path inside the model's folder",
                     location.take_front(256), why);
  };
  if (location.empty())
    return refuse("is empty");
  if (location.contains('\0') || location.contains('\\'))
    return refuse("has a NUL or a backslash");
  if (location.size() > 4096)
    return refuse("is longer than 4096 bytes");
  if (location.starts_with("/"))
    return refuse("is absolute");
  SmallVector<StringRef> parts, kept;
  location.split(parts, '/', -1, /*KeepEmpty=*/false);
  for (StringRef part : parts) {
    if (part == "..")
      return refuse("has '..'");
    if (part != ".")
      kept.push_back(part);
  }
  if (kept.empty())
    return refuse("names a folder");
  return llvm::join(kept, "/");
}

Expected<ExternalLocation>
lathe::onnxfile::parseExternalLocation(const std::vector<std::pair<StringRef, StringRef>> &entries) {
  ExternalLocation result;
  bool found = false;
  for (auto &[key, value] : entries) {
    uint64_t number = 0;
    bool isNumber = key == "offset" || key == "length";
    // Values are decimal; a sign, blanks or another base are refused.
    if (isNumber && (value.empty() || !llvm::all_of(value, llvm::isDigit) || value.getAsInteger(10, number)))
      return makeError(std::errc::invalid_argument, "external data: expected {0} to be a number below 2^64, got '{1}'",
                       key, value.take_front(64));
    if (key == "location") {
      auto path = normalizeLocation(value);
      if (!path)
        return path.takeError();
      result.path = *path;
      found = true;
    } else if (key == "offset") {
      result.offset = number;
    } else if (key == "length") {
      result.length = number;
    }
  }
  if (!found)
    return makeError(std::errc::invalid_argument, "external data without a location");
  if (result.length && !checkedAddUnsigned(result.offset, *result.length))
    return makeError(std::errc::invalid_argument, "external data: offset {0} + length {1} overflows", result.offset,
                     *result.length);
  return result;
}

Expected<std::unique_ptr<MemoryBuffer>> lathe::onnxfile::mapRegularFile(StringRef path) {
  std::string name = path.str();
  auto fail = [&](int code) { return createFileError(path, std::error_code(code, std::generic_category())); };
  // O_NONBLOCK: opening a FIFO returns at once, and is then refused.
  int fd = ::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0)
    return fail(errno);
  struct stat status;
  if (::fstat(fd, &status) != 0) {
    int code = errno;
    ::close(fd);
    return fail(code);
  }
  if (!S_ISREG(status.st_mode)) {
    ::close(fd);
    return makeError(std::errc::invalid_argument, "'{0}': expected a regular file", path);
  }
  auto buffer = MemoryBuffer::getOpenFile(fd, path, status.st_size, /*RequiresNullTerminator=*/false);
  ::close(fd);
  if (!buffer)
    return createFileError(path, buffer.getError());
  return std::move(*buffer);
}

static std::string parentOf(StringRef path) {
  StringRef parent = sys::path::parent_path(path);
  return parent.empty() ? "." : parent.str();
}

ExternalData::ExternalData(StringRef modelPath, StringRef directory) {
  SmallString<256> real;
  auto addRoot = [&](StringRef folder) {
    if (!sys::fs::real_path(folder, real))
      roots.push_back(real.str().str());
  };
  if (!directory.empty()) {
    addRoot(directory);
    return;
  }
  addRoot(parentOf(modelPath));
  SmallString<256> model;
  if (!sys::fs::real_path(modelPath, model))
    addRoot(parentOf(model));
}

Expected<std::unique_ptr<MemoryBuffer>> ExternalData::open(StringRef location) const {
  bool escaped = false;
  for (const std::string &root : roots) {
    SmallString<256> path(root), real;
    sys::path::append(path, location);
    if (sys::fs::real_path(path, real))
      continue;
    // `/models/a` is not inside `/models/abc`: the prefix ends at a separator.
    bool inside = llvm::any_of(roots, [&](StringRef folder) {
      StringRef rest = real;
      return rest.consume_front(folder) && (folder.ends_with("/") || rest.starts_with("/"));
    });
    if (inside)
      return mapRegularFile(real);
    escaped = true;
  }
  if (escaped)
    return makeError(std::errc::permission_denied,
                     "external data '{0}' is a symbolic link that leaves the model's folder; hint: name the folder of "
                     "the file it stands for with --external-data=DIR",
                     location);
  return makeError(std::errc::no_such_file_or_directory, "external data '{0}' is missing", location);
}
