// The bytes of weights, outside the IR: mapped files, and derived blobs by content hash.
//
// One store belongs to one context (TfmDialect::getWeights), so that every pass reaches it. Bytes are row-major and
// little-endian; i1 takes a byte. Views stay valid as long as the context. All functions are safe to call from threads.
#pragma once
#include "dialects/Tfm/Tfm.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/MemoryBuffer.h"
#include <mutex>

namespace lathe::tfm {

/// Bytes of a tensor of this type: elements times the element's size, or what its format takes. Nothing on overflow or
/// a dynamic shape.
std::optional<uint64_t> getByteSize(mlir::RankedTensorType type);

class Weights {
public:
  /// Files named by #tfm.file are looked up here if they weren't added.
  void setDirectory(llvm::StringRef directory);
  /// Gives a file under the name by which #tfm.file refers to it; replaces an earlier one.
  void addFile(llvm::StringRef name, std::unique_ptr<llvm::MemoryBuffer> buffer);
  /// Keeps derived bytes and returns their name. Equal bytes are kept once.
  BlobAttr addBlob(mlir::MLIRContext *context, std::vector<char> bytes);
  /// The bytes of a weight: a view of a mapped file or of a blob, or of a literal's own data. An error says what is
  /// missing: the file, or bytes past its end. #tfm.random and splat literals are expanded into a blob at first.
  llvm::Expected<llvm::ArrayRef<char>> getBytes(WeightOp weight);

private:
  std::mutex mutex;
  std::string directory;
  llvm::StringMap<std::unique_ptr<llvm::MemoryBuffer>> files;
  llvm::StringMap<std::vector<char>> blobs; // by SHA-256; StringMap's values don't move
};

} // namespace lathe::tfm
