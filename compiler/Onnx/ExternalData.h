// Files beside a model that hold its weights (ONNX's external data), found without leaving the model's folder.
//
// A model is untrusted: a location is a relative path without `..`, and the real path of what it names, every symbolic
// link followed, lies in the model's folder or in the folder of the model's own real path. The second is for download
// caches, where both the model and its data are links into one folder of blobs; any other link is refused.
#pragma once
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/MemoryBuffer.h"
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace lathe::onnxfile {

/// What a TensorProto's external_data says, checked: offset + length doesn't overflow. Without a length the rest of the
/// file is meant.
struct ExternalLocation {
  std::string path;
  uint64_t offset = 0;
  std::optional<uint64_t> length;
};

/// Reads the key-value pairs `location`, `offset`, `length` (and ignores `checksum` and what is unknown).
llvm::Expected<ExternalLocation>
parseExternalLocation(const std::vector<std::pair<llvm::StringRef, llvm::StringRef>> &entries);

/// An error for a path that is empty, absolute, has `..` or a NUL; else its normal form, with `/` and without `.`.
llvm::Expected<std::string> normalizeLocation(llvm::StringRef location);

/// A regular file, mapped. FIFOs, devices and folders are refused and never waited for.
llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>> mapRegularFile(llvm::StringRef path);

class ExternalData {
public:
  /// `directory` replaces the model's folder if it isn't empty.
  ExternalData(llvm::StringRef modelPath, llvm::StringRef directory);
  /// Opens a file by its normalized location. A missing one is an error with std::errc::no_such_file_or_directory.
  llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>> open(llvm::StringRef location) const;

private:
  std::vector<std::string> roots;
};

} // namespace lathe::onnxfile
